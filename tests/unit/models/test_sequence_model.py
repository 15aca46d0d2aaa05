"""The scoring of users knows nothing of a model but what `SequenceModel` says."""

import torch
from torch import Tensor

from towerflow.interactions.histories import ItemLists
from towerflow.models.packed import PackedSequences
from towerflow.models.sequence_model import vectors_of_users


class Echo:
    """The vector after an item is (item, place in what was read), on the embeddings' device."""

    max_history = 3
    temperature = 1.0

    def read(self, histories: PackedSequences, embeddings: Tensor) -> Tensor:
        assert histories.items.device == embeddings.device
        return torch.stack([histories.items, histories.positions], dim=1).float()

    def vectors_of(self, items: Tensor, embeddings: Tensor) -> Tensor:
        assert items.device == embeddings.device, "a table there can't be looked up from here"
        return torch.zeros(len(items), 2, device=items.device)

    def read_targets(self, targets: PackedSequences, embeddings: Tensor) -> Tensor:
        return self.vectors_of(targets.items, embeddings)


def test_each_user_gets_the_vector_after_the_last_item_read() -> None:
    histories = ItemLists.from_lists([[7], [], [1, 2, 3, 4, 5], [8, 9]])
    vectors = vectors_of_users(Echo(), histories, torch.zeros(10, 4))
    assert vectors.tolist() == [[7, 0], [0, 0], [5, 2], [9, 1]]


def test_everything_is_made_where_the_embeddings_are() -> None:
    embeddings = torch.zeros(10, 4, device="meta")
    vectors = vectors_of_users(Echo(), ItemLists.from_lists([[7], [1, 2]]), embeddings)
    assert vectors.device == embeddings.device
