"""`train` with a recipe of several trainings: recorded one by one, resumed, cleaned up."""

from pathlib import Path

import pytest
import torch

from tests.conftest import Run
from tests.unit.steps.test_train import have_same_weights, interrupt, repeatable, train_from
from tests.unit.training.test_fit_blend import BLEND
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models.blend import Blend
from towerflow.models.files import load_model, load_model_for
from towerflow.schema import Split
from towerflow.storage.artifact import read_manifest


def test_the_manifest_keeps_the_curve_of_each_training(shop_run: Run, tmp_path: Path) -> None:
    train_from(shop_run, tmp_path / "model", BLEND)
    manifest = read_manifest(tmp_path / "model")
    curves = manifest.details["curves"]
    assert isinstance(curves, dict)
    epochs = {name: [line["epoch"] for line in curve] for name, curve in curves.items()}
    assert epochs == {"1. learn": [1, 2], "2. sasrec": [1, 2, 3]}
    assert set(curves["2. sasrec"][0]) == {"epoch", "loss", "ndcg@10"}
    assert manifest.counts["epochs"] == 5
    model = load_model(tmp_path / "model")
    assert isinstance(model, Blend)
    numbers = [tensor.numel() for one in model.members for tensor in one.tensors().values()]
    assert manifest.counts["parameters"] == sum(numbers)


def test_read_back_it_scores_every_user(shop_run: Run, tmp_path: Path) -> None:
    train_from(shop_run, tmp_path / "model", BLEND)
    data = Dataset.open(shop_run.dataset)
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    scores = [
        model.user_vectors(data.lists(Split.TRAIN), embeddings) @ model.item_vectors(embeddings).T
        for model in (
            load_model(tmp_path / "model"),
            load_model_for(tmp_path / "model", data.item_ids),
        )
    ]
    assert torch.equal(*scores)
    assert scores[0].any(dim=1).all()


def test_an_interrupted_run_goes_on_and_leaves_no_state_behind(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(shop_run, tmp_path, monkeypatch, BLEND)  # in the second training: the first has two
    states = sorted(file.name for file in (tmp_path / "states").iterdir())
    assert [name[16:] for name in states] == ["-1.safetensors", "-2.safetensors"]
    train_from(shop_run, tmp_path / "model", BLEND, checkpoints=tmp_path / "states")
    assert list((tmp_path / "states").iterdir()) == []
    train_from(shop_run, tmp_path / "whole", BLEND)
    assert repeatable(tmp_path / "model") == repeatable(tmp_path / "whole")
    assert have_same_weights(tmp_path / "model", tmp_path / "whole")


def test_a_run_of_another_weight_does_not_go_on_from_it(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(shop_run, tmp_path, monkeypatch, BLEND)
    states = set((tmp_path / "states").iterdir())
    other = BLEND.replace("weight: 0.7", "weight: 0.6")
    train_from(shop_run, tmp_path / "model", other, checkpoints=tmp_path / "states")
    assert set((tmp_path / "states").iterdir()) == states


def test_a_blend_takes_no_initial_model(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected none, or a recipe of kind learn"):
        train_from(shop_run, tmp_path / "model", BLEND, shop_run.model)
    assert not (tmp_path / "model").exists()
