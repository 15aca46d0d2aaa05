"""`export_index`: search through the index is search with the model."""

import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import EXPORT_INDEX, Run
from towerflow.embedding.item_embeddings import EMBEDDINGS_FILE, ItemEmbeddings
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models import learn
from towerflow.models.files import load_model
from towerflow.reporting.markdown import summarise_index
from towerflow.retrieval.item_index import IndexKind, IndexRecord, ItemIndex
from towerflow.retrieval.release import Release
from towerflow.schema import ArtifactKind, Split
from towerflow.steps.export_index import export_index
from towerflow.storage.artifact import new_artifact, read_manifest


def test_the_index_holds_the_item_vectors_in_order(shop_run: Run) -> None:
    index = faiss.read_index(str(shop_run.index / "index.faiss"))
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    with torch.inference_mode():
        expected = load_model(shop_run.model).item_vectors(embeddings)
    torch.testing.assert_close(torch.from_numpy(index.reconstruct_n(0, 50)), expected)
    vectors = np.load(shop_run.index / "item_vectors.npy")
    assert vectors.tolist() == index.reconstruct_n(0, 50).tolist()


def test_what_was_found_of_the_index_is_among_its_details_and_told(shop_run: Run) -> None:
    """Half of 40 users and 50 items are held out; of 50 items at most 50 are wanted."""
    details = read_manifest(shop_run.index).details
    record = IndexRecord.of("", details)
    assert (record.kind, record.recall, record.recall_k) == (IndexKind.EXACT, 1.0, 50)
    assert (record.num_queries, record.memory_bytes) == ((40 + 50) // 2, 50 * 8 * 4)
    took = details["took"]
    assert isinstance(took, dict)
    assert set(took) == {"build_seconds", "search_p50_ms", "search_p95_ms"}
    assert 0 < took["search_p50_ms"] <= took["search_p95_ms"]
    text = (shop_run.index.parent / "index.md").read_text("utf-8")
    assert text == summarise_index(record, 50, 8, took)


def export(run: Run, folder: Path, **settings: object) -> Path:
    """The shop's Index, with its usual settings but for `settings`."""
    export_index(
        run.dataset,
        run.item_embeddings,
        run.model,
        index=folder / "index",
        summary=folder / "index.md",
        **EXPORT_INDEX | settings,
    )
    return folder / "index"


@pytest.mark.parametrize("kind", ["ivf", "ivf_sq8", "hnsw"])
def test_an_index_of_another_kind_finds_what_exact_search_finds(
    shop_run: Run, tmp_path: Path, kind: str
) -> None:
    index = export(shop_run, tmp_path, index_kind=kind, recall_target=1.0)
    record = IndexRecord.of(index, read_manifest(index).details)
    assert (record.kind, record.recall, record.recall_target) == (kind, 1.0, 1.0)
    opened, exact = ItemIndex.open(index, record), Release.open(shop_run.release_root)
    for query in exact.user_vectors(exact.user_ids):
        found, expected = opened.search(query, 50), exact.index.search(query, 50)
        assert sorted(found.items.tolist()) == list(range(50))
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_vectors_are_written_for_other_services_too(shop_run: Run, tmp_path: Path) -> None:
    index = export(shop_run, tmp_path, export_formats=["vertex", "parquet"])
    files = {"exports/item_vectors.parquet", "exports/vertex/items-00000.json"}
    assert files == set(read_manifest(index).files) - set(read_manifest(shop_run.index).files)
    vectors, ids = np.load(index / "item_vectors.npy"), Dataset.open(shop_run.dataset).item_ids
    table = pq.read_table(index / "exports/item_vectors.parquet")
    assert table.to_pydict() == {"item_id": ids, "vector": vectors.tolist()}
    text = (index / "exports/vertex/items-00000.json").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["id"] for line in lines] == ids
    assert np.array([line["embedding"] for line in lines], np.float32).tolist() == vectors.tolist()


def test_the_same_is_exported_again(shop_run: Run, tmp_path: Path) -> None:
    """All files but the tower for torch, whose archive is another each time."""
    files = read_manifest(export(shop_run, tmp_path)).files
    before = read_manifest(shop_run.index).files
    assert {name for name in files if files[name] != before[name]} <= {"user_tower.pt2"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"index_kind": "flat"}, "index_kind: expected auto or exact"),
        ({"recall_target": 0.0}, "recall_target: expected above 0"),
        ({"memory_limit": -1}, "memory_limit: expected 0 or more"),
        ({"export_formats": ["csv"]}, "export_formats: expected parquet or vertex, found csv"),
        ({"index_kind": "ivf_pq"}, "which needs 256 items, found a catalogue of 50"),
    ],
)
def test_options_that_can_not_be_kept_leave_nothing_behind(
    shop_run: Run, tmp_path: Path, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        export(shop_run, tmp_path, **settings)
    assert list(tmp_path.iterdir()) == []


def test_it_carries_all_that_serving_needs(shop_run: Run) -> None:
    assert set(read_manifest(shop_run.index).files) == {
        "histories.parquet",
        "index.faiss",
        "item_embeddings.safetensors",
        "item_inputs.npy",
        "item_vectors.npy",
        "items.parquet",
        "model/config.json",
        "model/item_ids.parquet",
        "model/model.safetensors",
        "user_tower.onnx",
        "user_tower.pt2",
    }
    assert Dataset.open(shop_run.dataset).lists(*Split).lengths.sum() == 279


def test_useless_vectors_are_not_exported(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: learn.Learn, embeddings: torch.Tensor) -> torch.Tensor:
        return torch.full((len(embeddings), 8), torch.nan)

    monkeypatch.setattr(learn.Learn, "item_vectors", broken)
    with pytest.raises(InputError, match="finite item vectors, found NaN"):
        export(shop_run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_embeddings_of_another_encoder_are_refused(shop_run: Run, tmp_path: Path) -> None:
    other = tmp_path / "embeddings"
    record = EncoderRecord.of("", read_manifest(shop_run.item_embeddings).details)
    with new_artifact(other, ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        shutil.copy(shop_run.item_embeddings / EMBEDDINGS_FILE, draft.folder)
        draft.details = record.model_copy(update={"fingerprint": "other"}).as_details()
        draft.inputs = read_manifest(shop_run.item_embeddings).inputs
    with pytest.raises(InputError, match="of the encoder that it was trained with, tiny-encoder"):
        export_index(
            shop_run.dataset,
            other,
            shop_run.model,
            index=tmp_path / "index",
            summary=tmp_path / "index.md",
            **EXPORT_INDEX,
        )
