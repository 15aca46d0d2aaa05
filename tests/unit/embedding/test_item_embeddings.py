"""ItemEmbeddings are those of the Dataset at hand, all of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from towerflow.embedding import item_embeddings
from towerflow.embedding.item_embeddings import (
    EMBEDDINGS_FILE,
    ItemEmbeddings,
    read_batches,
    write_batches,
    write_embeddings,
)
from towerflow.embedding.settings import EncoderRecord, EncoderSettings
from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact

RECORD = EncoderRecord(fingerprint="f", name="llm", revision="r", settings=EncoderSettings())


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Items 0, 1 and 2 of Dataset `d`."""
    with new_artifact(tmp_path / "e", ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        write_embeddings(draft.folder, torch.arange(3), torch.eye(3))
        draft.inputs = {"dataset": "d"}
        draft.details = RECORD.as_details()
    return tmp_path / "e"


def test_the_whole_is_opened(three: Path) -> None:
    opened = ItemEmbeddings.open_for(three, "d", 3)
    assert torch.equal(opened.embeddings, torch.eye(3))


def test_those_of_another_dataset_are_refused(three: Path) -> None:
    with pytest.raises(InputError, match="embeddings of Dataset other, found those of d"):
        ItemEmbeddings.open_for(three, "other", 3)


def test_missing_items_are_refused(three: Path) -> None:
    with pytest.raises(InputError, match="one row for each of 4 items, found 3 rows"):
        ItemEmbeddings.open_for(three, "d", 4)


def test_batches_in_any_order_give_the_file_that_safetensors_reads(tmp_path: Path) -> None:
    index, values = np.array([3, 5, 8]), np.arange(6, dtype=np.float32).reshape(3, 2)
    batches = [(np.array([2]), values[2:]), (np.array([1, 0]), values[[1, 0]])]
    assert write_batches(tmp_path, index, 2, batches) == 3
    tensors = load_file(tmp_path / EMBEDDINGS_FILE)
    assert tensors["item_index"].tolist() == [3, 5, 8]
    assert tensors["embeddings"].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_reading_in_batches_gives_all_rows_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_embeddings, "ROWS_AT_ONCE", 2)
    write_embeddings(tmp_path, torch.arange(5), torch.eye(5))
    batches = list(read_batches(tmp_path))
    assert [index.tolist() for index, _ in batches] == [[0, 1], [2, 3], [4]]
    assert np.array_equal(np.concatenate([rows for _, rows in batches]), np.eye(5))
