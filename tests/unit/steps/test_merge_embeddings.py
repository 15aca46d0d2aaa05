"""`merge_embeddings`: all rows once, in order, of one Dataset."""

import json
from pathlib import Path

import pytest
import torch

from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.embedding.settings import EncoderRecord, EncoderSettings
from towerflow.errors import InputError
from towerflow.schema import TOOK, ArtifactKind
from towerflow.steps.merge_embeddings import merge_embeddings
from towerflow.storage.artifact import new_artifact, read_manifest


def shard(path: Path, rows: list[int], dataset: str = "d", encoder: str = "f") -> Path:
    """A shard whose embedding of item i is [i, -i]."""
    with new_artifact(path, ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        values = torch.tensor([[row, -row] for row in rows], dtype=torch.float32).reshape(-1, 2)
        write_embeddings(draft.folder, torch.tensor(rows, dtype=torch.int64), values)
        draft.inputs = {"dataset": dataset}
        draft.counts = {"items": len(rows), "texts": len(rows)}
        settings = EncoderSettings()
        record = EncoderRecord(fingerprint=encoder, name="llm", revision="r", settings=settings)
        took = {"embedded": len(rows), "store_hits": 1, "tokens": 10 * len(rows), "seconds": 0.5}
        draft.details = {**record.as_details(), TOOK: took}
    return path


def test_rows_end_up_at_their_item_index_whatever_the_order_of_shards(tmp_path: Path) -> None:
    odd, even = shard(tmp_path / "odd", [1, 3]), shard(tmp_path / "even", [0, 2, 4])
    none = shard(tmp_path / "none", [])
    merge_embeddings([odd, none, even], tmp_path / "whole", tmp_path / "counts.json")
    whole = ItemEmbeddings.open_for(tmp_path / "whole", "d", 5)
    assert whole.embeddings.tolist() == [[row, -row] for row in range(5)]


@pytest.mark.parametrize("rows", [[0, 1, 1], [0, 2], [1]])
def test_doubled_or_missing_rows_are_refused(tmp_path: Path, rows: list[int]) -> None:
    with pytest.raises(InputError, match=r"each of \d items once"):
        merge_embeddings([shard(tmp_path / "a", rows)], tmp_path / "whole", tmp_path / "c.json")
    assert not (tmp_path / "whole").exists()


def test_shards_of_two_datasets_are_refused(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "a", [0], "d"), shard(tmp_path / "b", [1], "other")]
    with pytest.raises(InputError, match="embeddings of one Dataset, found of 2"):
        merge_embeddings(shards, tmp_path / "whole", tmp_path / "counts.json")


def test_shards_of_two_encoders_are_refused(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "a", [0]), shard(tmp_path / "b", [1], encoder="other")]
    with pytest.raises(InputError, match="embeddings of one encoder, found of 2; machines of"):
        merge_embeddings(shards, tmp_path / "whole", tmp_path / "counts.json")


def test_what_the_shards_took_is_added_up(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "a", [0, 2]), shard(tmp_path / "b", [1]), shard(tmp_path / "c", [])]
    merge_embeddings(shards, tmp_path / "whole", tmp_path / "counts.json")
    took = {"embedded": 3, "store_hits": 3, "tokens": 30, "seconds": 1.5}
    assert read_manifest(tmp_path / "whole").details[TOOK] == took
    counts = json.loads((tmp_path / "counts.json").read_text("utf-8"))
    assert counts == {"items": 3, "texts": 3, "embedding_dim": 2, **took}
