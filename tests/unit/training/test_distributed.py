"""Two processes train the model that one process trains."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.conftest import SMALL_RECIPE, Run
from tests.unit.training.circle import CONFIG, EMBEDDINGS, LOG, NEXT, new_model
from towerflow.errors import InputError
from towerflow.models.files import load_model
from towerflow.steps.train import train as train_step
from towerflow.storage.artifact import read_manifest
from towerflow.training import loop
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.config import (
    AllAction,
    Candidates,
    Cut,
    NextItem,
    OneTarget,
    SoftmaxConfig,
    TrainingConfig,
)
from towerflow.training.loop import train_model
from towerflow.training.ranks import Ranks

NUM_RANKS: Final = 2
IN_BATCH: Final = SoftmaxConfig(candidates=Candidates.IN_BATCH, log_q=True, exclude_same_user=True)
OF_OTHERS: Final = SoftmaxConfig(candidates=Candidates.IN_BATCH, log_q=True)
SAMPLED: Final = SoftmaxConfig(candidates=Candidates.SAMPLED, num_negatives=4)
# Of 40 users, so that batches of three end with one of a single user: fewer than there are ranks.
CASES: Final = {
    "next_item": (NextItem(), 40),
    "next_item_in_batch": (NextItem(softmax=IN_BATCH), 40),
    "next_item_sampled": (NextItem(softmax=SAMPLED), 40),
    "one_sequence_a_batch": (NextItem(), 1),
    "one_target": (OneTarget(), 3),
    "one_target_in_batch": (
        OneTarget(softmax=OF_OTHERS),
        3,
    ),
    "all_action": (AllAction(cut=Cut.RANDOM), 15),
    "all_action_few_users": (AllAction(cut=Cut.RANDOM), 3),
}
WITH_DROPOUT: Final = CONFIG.model_copy(update={"dropout": 0.3})


def config_of(case: str, epochs: int = 2) -> TrainingConfig:
    objective, batch_size = CASES[case]
    return TrainingConfig(
        objective=objective, epochs=epochs, batch_size=batch_size, learning_rate=0.003
    )


def trained(case: str) -> dict[str, Tensor]:
    model = new_model()
    curve = train_model(model, config_of(case), LOG, EMBEDDINGS, NEXT)
    return with_losses(model.state_dict(), curve)


def with_losses(weights: dict[str, Tensor], curve: list[Epoch]) -> dict[str, Tensor]:
    return {**weights, "losses": torch.tensor([epoch.loss for epoch in curve])}


def with_dropout(checkpoint: Checkpoint | None = None, stop_after: int = 0) -> dict[str, Tensor]:
    """Three epochs, or the failure of all processes after one of them."""
    model = new_model(WITH_DROPOUT)

    def stop(epoch: Epoch) -> None:
        if epoch.number == stop_after:
            raise InterruptedError

    training = config_of("next_item", epochs=3)
    curve = train_model(model, training, LOG, EMBEDDINGS, NEXT, checkpoint, stop)
    return with_losses(model.state_dict(), curve)


def validations_of(rank: int) -> list[float]:
    """What each epoch's validation was, where each process would find something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "validation_score", lambda *_: 0.25 + rank)
        curve = train_model(new_model(), config_of("next_item"), LOG, EMBEDDINGS, NEXT)
    return [epoch.validation for epoch in curve]


def refusal(rank: int, folder: Path) -> str:
    """What is said to a process that sees another folder than the first one, which is done."""
    name = "state" if rank == 0 else "elsewhere"
    try:
        with_dropout(Checkpoint(str(folder / f"{name}.safetensors")))
    except InputError as error:
        return str(error)
    return "nothing"


def work(rank: int, folder: Path) -> None:
    """What each of the processes does."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=NUM_RANKS
    )
    for case in CASES:
        save_file(trained(case), folder / f"{case}-{rank}")
    save_file(with_dropout(), folder / f"dropout-{rank}")
    checkpoint = Checkpoint(str(folder / "state.safetensors"))
    with pytest.raises(InterruptedError):
        with_dropout(checkpoint, stop_after=2)
    dist.barrier()
    save_file(with_dropout(checkpoint), folder / f"resumed-{rank}")
    agreed = Ranks.current().agree(0.1 + rank)
    (folder / f"said-{rank}").write_text(f"{agreed} {validations_of(rank)} {refusal(rank, folder)}")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what each rank ended with."""
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, args=(folder,), nprocs=NUM_RANKS)
    return folder


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert set(one) == set(other)
    return max((tensor - other[name]).abs().max().item() for name, tensor in one.items())


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_where_one_does(ranks: Path, case: str) -> None:
    alone = trained(case)
    assert difference(load_file(ranks / f"{case}-0"), alone) < 1e-4
    begun = with_losses(new_model().state_dict(), [Epoch(1, 0.0, 0.0), Epoch(2, 0.0, 0.0)])
    assert difference(alone, begun) > 1e-2  # it has been somewhere


@pytest.mark.parametrize("case", [*CASES, "dropout", "resumed"])
def test_all_processes_end_with_the_same_weights(ranks: Path, case: str) -> None:
    assert difference(load_file(ranks / f"{case}-0"), load_file(ranks / f"{case}-1")) == 0


def test_processes_that_go_on_end_where_they_would_have(ranks: Path) -> None:
    assert difference(load_file(ranks / "resumed-0"), load_file(ranks / "dropout-0")) == 0


def test_processes_drop_out_differently(ranks: Path) -> None:
    """Else the two halves of a batch would be dropped alike, as one process never does."""
    assert difference(load_file(ranks / "dropout-0"), with_dropout()) > 1e-3


def test_all_processes_take_the_word_and_the_validation_of_the_first(ranks: Path) -> None:
    said = [(ranks / f"said-{rank}").read_text() for rank in range(NUM_RANKS)]
    assert said[0] == "0.1 [0.25, 0.25] nothing"
    assert said[1].startswith("0.1 [0.25, 0.25] checkpoints: ")


def test_a_process_that_sees_no_checkpoint_where_the_first_does_says_so(ranks: Path) -> None:
    said = (ranks / "said-1").read_text()
    assert "expected a folder that all processes see, found 0 epochs in it here" in said


def test_the_command_trains_one_model_in_the_processes_that_torchrun_started(
    shop_run: Run, tmp_path: Path
) -> None:
    recipe = SMALL_RECIPE.replace("dim: 8", "dim: 8, dropout: 0").replace("epochs: 60", "epochs: 2")
    (tmp_path / "recipe.yaml").write_text(recipe)
    options = {
        "dataset": shop_run.dataset,
        "item-embeddings": shop_run.item_embeddings,
        "recipe": tmp_path / "recipe.yaml",
        "checkpoints": tmp_path / "checkpoints",
        "model": tmp_path / "model",
    }
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(NUM_RANKS), "--standalone"]
    torchrun += ["--local-addr", "127.0.0.1"]
    command = ["-m", "towerflow.cli", "train"]
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, *torchrun, *command, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    train_step(
        shop_run.dataset, shop_run.item_embeddings, recipe, -1, "", "", tmp_path / "by-one-process"
    )
    together, alone = (
        load_model(tmp_path / name).tensors() for name in ("model", "by-one-process")
    )
    assert difference(together, alone) < 1e-4
    assert read_manifest(tmp_path / "model").counts["epochs"] == 2
    assert list((tmp_path / "checkpoints").iterdir()) == []
