"""What the training loop and the scoring of users know of a model that reads sequences."""

from typing import Protocol

import torch
from torch import Tensor

from towerflow.interactions.histories import ItemLists
from towerflow.models.packed import PackedSequences

USERS_AT_ONCE = 1024  # bounds the memory of scoring, not the result


class SequenceModel(Protocol):
    """A tower that turns each position of a history into a user vector."""

    @property
    def max_history(self) -> int:
        """Most recent items of a user that are read."""
        ...

    @property
    def temperature(self) -> float:
        """τ that scores are divided by in the loss."""
        ...

    def read(self, histories: PackedSequences, embeddings: Tensor) -> Tensor:
        """`[num_tokens, dim]`: the user vector after each item of `histories`."""
        ...

    def vectors_of(self, items: Tensor, embeddings: Tensor) -> Tensor:
        """`[num_items, dim]`: vectors of the items of those indices, each alone."""
        ...

    def read_targets(self, targets: PackedSequences, embeddings: Tensor) -> Tensor:
        """`[num_tokens, dim]`: item vectors of sequences of targets, as training wants them."""
        ...


def vectors_of_users(model: SequenceModel, histories: ItemLists, embeddings: Tensor) -> Tensor:
    """`[num_users, dim]`: the output at the last position; zeros without a history."""
    recent = histories.last(model.max_history)
    known = recent.lengths.nonzero()[0]
    first = torch.zeros(1, dtype=torch.long, device=embeddings.device)
    dim = model.vectors_of(first, embeddings).shape[1]
    vectors = torch.zeros(len(recent), dim, device=embeddings.device)
    for start in range(0, len(known), USERS_AT_ONCE):
        users = known[start : start + USERS_AT_ONCE]
        block = recent.take(users)
        outputs = model.read(PackedSequences.pack(block, embeddings.device), embeddings)
        vectors[torch.from_numpy(users)] = outputs[torch.from_numpy(block.offsets[1:] - 1)]
    return vectors
