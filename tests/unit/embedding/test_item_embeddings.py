"""ItemEmbeddings are those of the Dataset at hand, all of them."""

from pathlib import Path

import pytest
import torch

from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Items 0, 1 and 2 of Dataset `d`."""
    with new_artifact(tmp_path / "e", ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        write_embeddings(draft.folder, torch.arange(3), torch.eye(3))
        draft.inputs = {"dataset": "d"}
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
