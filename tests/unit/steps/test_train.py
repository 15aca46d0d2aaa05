"""`train`: by recipe, repeatable, recorded."""

from pathlib import Path

import pytest

from tests.conftest import SMALL_RECIPE, Run
from towerflow.errors import InputError
from towerflow.models.content_mean import ContentMean
from towerflow.models.files import load_model
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.steps.train import train
from towerflow.storage.artifact import read_manifest


@pytest.mark.parametrize(
    ("recipe", "model"),
    [("popularity", Popularity), ("content-mean", ContentMean), (SMALL_RECIPE, Learn)],
)
def test_the_recipe_names_the_model(
    shop_run: Run, tmp_path: Path, recipe: str, model: type[RetrievalModel]
) -> None:
    train(shop_run.dataset, shop_run.item_embeddings, recipe, tmp_path / "model")
    assert isinstance(load_model(tmp_path / "model"), model)


def test_the_same_seed_gives_the_same_weights_to_the_byte(shop_run: Run, tmp_path: Path) -> None:
    train(shop_run.dataset, shop_run.item_embeddings, SMALL_RECIPE, tmp_path / "again")
    assert read_manifest(tmp_path / "again") == read_manifest(shop_run.model)


def test_the_manifest_keeps_settings_and_curve(shop_run: Run) -> None:
    manifest = read_manifest(shop_run.model)
    curve = manifest.details["curve"]
    assert isinstance(curve, list)
    assert [epoch["epoch"] for epoch in curve] == list(range(1, 61))
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert manifest.details["settings"]["model"]["width"] == 16
    assert manifest.inputs["dataset"] == read_manifest(shop_run.dataset).content_hash


def test_an_unknown_recipe_lists_the_known_ones(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="content-mean or learn or popularity, found 'lern'"):
        train(shop_run.dataset, shop_run.item_embeddings, "lern", tmp_path / "model")
    assert not (tmp_path / "model").exists()
