"""`merge_embeddings`: all rows once, in order, of one Dataset."""

from pathlib import Path

import pytest
import torch

from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.steps.merge_embeddings import merge_embeddings
from towerflow.storage.artifact import new_artifact


def shard(path: Path, rows: list[int], dataset: str = "d") -> Path:
    """A shard whose embedding of item i is [i, -i]."""
    with new_artifact(path, ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        values = torch.tensor([[row, -row] for row in rows], dtype=torch.float32).reshape(-1, 2)
        write_embeddings(draft.folder, torch.tensor(rows, dtype=torch.int64), values)
        draft.inputs = {"dataset": dataset}
    return path


def test_rows_end_up_at_their_item_index_whatever_the_order_of_shards(tmp_path: Path) -> None:
    odd, even = shard(tmp_path / "odd", [1, 3]), shard(tmp_path / "even", [0, 2, 4])
    none = shard(tmp_path / "none", [])
    merge_embeddings([odd, none, even], tmp_path / "whole")
    whole = ItemEmbeddings.open_for(tmp_path / "whole", "d", 5)
    assert whole.embeddings.tolist() == [[row, -row] for row in range(5)]


@pytest.mark.parametrize("rows", [[0, 1, 1], [0, 2], [1]])
def test_doubled_or_missing_rows_are_refused(tmp_path: Path, rows: list[int]) -> None:
    with pytest.raises(InputError, match=r"each of \d items once"):
        merge_embeddings([shard(tmp_path / "a", rows)], tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_shards_of_two_datasets_are_refused(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "a", [0], "d"), shard(tmp_path / "b", [1], "other")]
    with pytest.raises(InputError, match="embeddings of one Dataset, found of 2"):
        merge_embeddings(shards, tmp_path / "whole")
