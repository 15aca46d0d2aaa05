"""Steps over another catalogue than the model's: ids stay with their items."""

from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from tests.conftest import EXPORT_INDEX, SMALL_RECIPE, Run
from tests.unit.training.test_fit_blend import BLEND
from towerflow import schema
from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE, Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.models.files import load_model, load_model_for
from towerflow.schema import ArtifactKind
from towerflow.steps.evaluate import evaluate
from towerflow.steps.export_index import export_index
from towerflow.steps.train import train
from towerflow.storage.artifact import new_artifact, read_manifest

NEW_ID = "brand-new"
CONTENT_ID = SMALL_RECIPE.replace("dim: 8", "dim: 8, item_input: content_id")
RECIPES = {
    "content_id": CONTENT_ID.replace("epochs: 60", "epochs: 5"),
    "content": SMALL_RECIPE.replace("epochs: 60", "epochs: 5"),
    "blend": BLEND,
    "item-knn": "item-knn",
}


@pytest.fixture(scope="module")
def models(shop_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of every recipe, trained on the shop."""
    folder = tmp_path_factory.mktemp("models")
    for name, recipe in RECIPES.items():
        train(shop_run.dataset, shop_run.item_embeddings, recipe, -1, "", "", folder / name)
    return {name: folder / name for name in RECIPES}


def shuffled_items(dataset: Path, is_one_new: bool) -> tuple[pa.Table, np.ndarray]:
    """The catalogue in another order, and the old index of each item, -1 for a new one."""
    items = pq.read_table(dataset / ITEMS_FILE, schema=schema.ITEMS_SCHEMA)
    order = np.random.default_rng(1).permutation(len(items) + is_one_new)
    new = pa.table([[len(items)], [NEW_ID], ["New"], ["A new thing"]], schema=schema.ITEMS_SCHEMA)
    moved = pa.concat_tables([items, new]).take(pa.array(order))
    columns = [pa.array(np.arange(len(order))), *moved.columns[1:]]
    return pa.table(columns, schema=schema.ITEMS_SCHEMA), np.where(order < len(items), order, -1)


def other_catalogue(shop_run: Run, folder: Path, is_one_new: bool) -> tuple[Path, Path]:
    """A Dataset and ItemEmbeddings of the shop over the shuffled catalogue."""
    items, trained_index = shuffled_items(shop_run.dataset, is_one_new)
    place = {int(old): new for new, old in enumerate(trained_index)}
    events = pq.read_table(shop_run.dataset / INTERACTIONS_FILE)
    at = events.schema.names.index(schema.ITEM_INDEX)
    moved = [place[item] for item in events[schema.ITEM_INDEX].to_pylist()]
    events = events.set_column(at, schema.INTERACTIONS_SCHEMA.field(at), [moved])
    manifest = read_manifest(shop_run.dataset)
    with new_artifact(folder / "dataset", ArtifactKind.DATASET, "test") as draft:
        pq.write_table(items, draft.folder / ITEMS_FILE)
        pq.write_table(events, draft.folder / INTERACTIONS_FILE)
        draft.counts = manifest.counts | {"items": len(items)}
        draft.details = manifest.details
    content = ItemEmbeddings.open(shop_run.item_embeddings)
    wider = torch.cat([content.embeddings, content.embeddings.mean(0, keepdim=True) + 0.1])
    with new_artifact(folder / "embeddings", ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        write_embeddings(draft.folder, torch.arange(len(items)), wider[trained_index])
        draft.details = read_manifest(shop_run.item_embeddings).details
        draft.inputs = {"dataset": read_manifest(folder / "dataset").content_hash}
    return folder / "dataset", folder / "embeddings"


def vectors_by_id(dataset: Path, vectors: Tensor) -> dict[str, Tensor]:
    """Row = item."""
    return dict(zip(Dataset.open(dataset).item_ids, vectors, strict=True))


@pytest.fixture(params=["content_id", "content", "blend"])
def exported(
    request: pytest.FixtureRequest, shop_run: Run, models: dict[str, Path], tmp_path: Path
) -> tuple[Path, Path, Path]:
    """The model, the other Dataset, and the Index of the model over it."""
    dataset, embeddings = other_catalogue(shop_run, tmp_path, is_one_new=True)
    export_index(
        dataset,
        embeddings,
        models[request.param],
        index=tmp_path / "index",
        summary=tmp_path / "index.md",
        **EXPORT_INDEX,
    )
    return models[request.param], dataset, tmp_path / "index"


@torch.inference_mode()
def test_kept_items_have_their_old_vectors_in_the_index(
    shop_run: Run, exported: tuple[Path, Path, Path]
) -> None:
    model, dataset, index = exported
    content = ItemEmbeddings.open(shop_run.item_embeddings)
    before = vectors_by_id(shop_run.dataset, load_model(model).item_vectors(content.embeddings))
    searched = faiss.read_index(str(index / "index.faiss"))
    vectors = torch.from_numpy(searched.reconstruct_n(0, searched.ntotal))
    after = vectors_by_id(dataset, vectors)
    assert after.keys() - before.keys() == {NEW_ID}
    assert [*after] != [*before, NEW_ID]
    for item_id, vector in before.items():
        torch.testing.assert_close(after[item_id], vector, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_model_in_the_index_is_over_the_other_catalogue(
    shop_run: Run, exported: tuple[Path, Path, Path]
) -> None:
    """As a release reads it: without asking for whose items."""
    model, dataset, index = exported
    old, new = Dataset.open(shop_run.dataset), Dataset.open(dataset)
    histories = [old.lists(*schema.Split), new.lists(*schema.Split)]
    moved = [[new.item_ids.index(old.item_ids[item]) for item in histories[0][u]] for u in range(5)]
    assert [row.tolist() for row in map(histories[1].__getitem__, range(5))] == moved
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    expected = load_model(model).user_vectors(histories[0], embeddings)
    of_index = ItemEmbeddings.open(dataset.parent / "embeddings").embeddings
    found = load_model(index / "model").user_vectors(histories[1], of_index)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    again = load_model_for(index / "model", new.item_ids).user_vectors(histories[1], of_index)
    assert torch.equal(again, found)


@torch.inference_mode()
def test_without_its_ids_the_model_would_be_another(
    shop_run: Run, models: dict[str, Path], tmp_path: Path
) -> None:
    """Else the tests above would say nothing."""
    dataset, _ = other_catalogue(shop_run, tmp_path, is_one_new=False)
    embeddings = ItemEmbeddings.open(tmp_path / "embeddings").embeddings
    item_ids = Dataset.open(dataset).item_ids
    right = load_model_for(models["content_id"], item_ids).item_vectors(embeddings)
    wrong = load_model(models["content_id"]).item_vectors(embeddings)
    assert (right - wrong).abs().max() > 0.01


@torch.inference_mode()
def test_a_new_item_is_read_by_its_content(
    shop_run: Run, models: dict[str, Path], tmp_path: Path
) -> None:
    dataset, embeddings = other_catalogue(shop_run, tmp_path, is_one_new=True)
    export_index(
        dataset,
        embeddings,
        models["content_id"],
        index=tmp_path / "index",
        summary=tmp_path / "index.md",
        **EXPORT_INDEX,
    )
    new = Dataset.open(dataset).item_ids.index(NEW_ID)
    served, content = load_model(tmp_path / "index" / "model"), ItemEmbeddings.open(embeddings)
    users = served.user_vectors(ItemLists.from_lists([[new]]), content.embeddings)
    assert users.norm().item() == pytest.approx(1)
    searched = faiss.read_index(str(tmp_path / "index" / "index.faiss"))
    # A single item as history and as candidate is the same thing to the shared tower.
    torch.testing.assert_close(torch.from_numpy(searched.reconstruct(new)), users[0])


@pytest.mark.parametrize("name", RECIPES)
def test_over_its_own_items_in_another_order_a_model_is_as_good(
    shop_run: Run, models: dict[str, Path], tmp_path: Path, name: str
) -> None:
    own = (shop_run.dataset, shop_run.item_embeddings)
    for place, of in (("a", own), ("b", other_catalogue(shop_run, tmp_path, is_one_new=False))):
        evaluate(*of, models[name], tmp_path / place, tmp_path / f"{place}.html")
    before, after = (EvaluationMetrics.read(tmp_path / place).model for place in "ab")
    assert after == pytest.approx(before, abs=1e-6 if name != "item-knn" else 0.05)  # ties differ
