"""A refreshed release keeps the vector space of its model; another model has its own."""

from pathlib import Path

import pytest

from tests.conftest import EXPORT_INDEX, Run
from tests.unit.steps.test_other_catalogue import RECIPES, other_catalogue
from tests.unit.training.test_fit_blend import BLEND
from towerflow.retrieval.release import VECTOR_SPACE
from towerflow.steps.export_index import export_index
from towerflow.steps.train import train
from towerflow.storage.artifact import read_manifest


def space_of(own: tuple[Path, Path], model: Path, folder: Path) -> tuple[str, str]:
    """Content and vector space of an Index of `model` over a Dataset and its embeddings."""
    folder.mkdir()
    export_index(*own, model, index=folder / "index", summary=folder / "index.md", **EXPORT_INDEX)
    manifest = read_manifest(folder / "index")
    return manifest.content_hash, str(manifest.details[VECTOR_SPACE])


@pytest.mark.parametrize("name", ["content", "content_id", "blend"])
def test_over_another_catalogue_it_is_the_same_and_another_model_has_its_own(
    shop_run: Run, tmp_path: Path, name: str
) -> None:
    own = (shop_run.dataset, shop_run.item_embeddings)
    other_recipe = RECIPES[name].replace("learning_rate: 0.005", "learning_rate: 0.006")
    assert other_recipe != RECIPES[name]
    train(*own, RECIPES[name], -1, "", "", tmp_path / "model")
    train(*own, other_recipe, -1, "", "", tmp_path / "other-model")
    refreshed = other_catalogue(shop_run, tmp_path, is_one_new=True)
    before = space_of(own, tmp_path / "model", tmp_path / "a")
    after = space_of(refreshed, tmp_path / "model", tmp_path / "b")
    other = space_of(own, tmp_path / "other-model", tmp_path / "c")
    assert before[0] != after[0]
    assert before[1] == after[1] != other[1]


def test_a_blend_of_other_weights_is_another(shop_run: Run, tmp_path: Path) -> None:
    """Its members are the same to the bit, and its vectors are not."""
    own, spaces = (shop_run.dataset, shop_run.item_embeddings), set()
    for weight in ("0.7", "0.2"):
        recipe = BLEND.replace("weight: 0.7", f"weight: {weight}")
        train(*own, recipe, -1, "", "", tmp_path / weight)
        spaces.add(space_of(own, tmp_path / weight, tmp_path / f"of-{weight}")[1])
    assert len(spaces) == 2
