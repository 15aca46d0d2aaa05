"""A process on each of several GPUs: NCCL carries what gloo carries on CPUs."""

from pathlib import Path

import pytest
import torch

from tests.conftest import SMALL_RECIPE, Run
from towerflow.models.files import load_model
from towerflow.steps.train import train
from towerflow.training.launch import in_processes
from towerflow.training.ranks import Ranks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices"),
]


def tell_device(folder: Path) -> None:
    (folder / f"{Ranks.current().rank}").write_text(f"{torch.cuda.current_device()}")


def test_every_process_has_a_gpu_of_its_own(tmp_path: Path) -> None:
    in_processes(2, tell_device, tmp_path)
    assert [(tmp_path / name).read_text() for name in ("0", "1")] == ["0", "1"]


def test_all_gpus_train_what_one_trains(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = SMALL_RECIPE.replace("dim: 8", "dim: 8, dropout: 0").replace("epochs: 60", "epochs: 2")
    train(shop_run.dataset, shop_run.item_embeddings, recipe, -1, "", "", tmp_path / "together")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    train(shop_run.dataset, shop_run.item_embeddings, recipe, -1, "", "", tmp_path / "alone")
    together, alone = (load_model(tmp_path / name).tensors() for name in ("together", "alone"))
    # In bfloat16, whose sums over halves of a batch are others.
    assert all((together[name] - alone[name]).abs().max() < 2e-2 for name in alone)
