"""`export_index`: search through the index is search with the model."""

import shutil
from pathlib import Path

import faiss
import pytest
import torch

from tests.conftest import Run
from towerflow.embedding.item_embeddings import EMBEDDINGS_FILE, ItemEmbeddings
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models import learn
from towerflow.models.files import load_model
from towerflow.schema import ArtifactKind, Split
from towerflow.steps.export_index import export_index
from towerflow.storage.artifact import new_artifact, read_manifest


def test_the_index_holds_the_item_vectors_in_order(shop_run: Run) -> None:
    index = faiss.read_index(str(shop_run.index / "index.faiss"))
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    with torch.inference_mode():
        expected = load_model(shop_run.model).item_vectors(embeddings)
    torch.testing.assert_close(torch.from_numpy(index.reconstruct_n(0, 50)), expected)


def test_it_carries_all_that_serving_needs(shop_run: Run) -> None:
    assert set(read_manifest(shop_run.index).files) == {
        "histories.parquet",
        "index.faiss",
        "item_embeddings.safetensors",
        "items.parquet",
        "model/config.json",
        "model/item_ids.parquet",
        "model/model.safetensors",
    }
    assert Dataset.open(shop_run.dataset).lists(*Split).lengths.sum() == 279


def test_useless_vectors_are_not_exported(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: learn.Learn, embeddings: torch.Tensor) -> torch.Tensor:
        return torch.full((len(embeddings), 8), torch.nan)

    monkeypatch.setattr(learn.Learn, "item_vectors", broken)
    with pytest.raises(InputError, match="finite item vectors, found NaN"):
        export_index(shop_run.dataset, shop_run.item_embeddings, shop_run.model, tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_embeddings_of_another_encoder_are_refused(shop_run: Run, tmp_path: Path) -> None:
    other = tmp_path / "embeddings"
    record = EncoderRecord.of("", read_manifest(shop_run.item_embeddings).details)
    with new_artifact(other, ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        shutil.copy(shop_run.item_embeddings / EMBEDDINGS_FILE, draft.folder)
        draft.details = record.model_copy(update={"fingerprint": "other"}).as_details()
        draft.inputs = read_manifest(shop_run.item_embeddings).inputs
    with pytest.raises(InputError, match="of the encoder that it was trained with, tiny-encoder"):
        export_index(shop_run.dataset, other, shop_run.model, tmp_path / "index")
