"""Items with equal vectors, which have to score the same."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.interactions.histories import IntArray

SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, as Knuth multiplies
NUMBERS_AT_ONCE: Final = 2**22  # bounds the memory, not the result


@dataclass(frozen=True)
class Twins:
    """Sets of items with equal vectors: those without text, or that nobody took, for one.

    A matrix product rounds equal columns unequally, by where they stand, which would break ties by
    chance.

    Attributes:
        vectors: `[num_sets, dim]` the vector of each set.
        items: `[num_twins]` item indices, ascending.
        of: `[num_twins]` which set each is in.
    """

    vectors: Tensor
    items: IntArray
    of: IntArray

    @classmethod
    def among(cls, vectors: Tensor) -> Self:
        """Those of `vectors` `[num_items, dim]`."""
        _, first, of, sizes = np.unique(
            _hashes(vectors), return_index=True, return_inverse=True, return_counts=True
        )
        items = np.flatnonzero(sizes[of] > 1)
        # Hashes are of 64 bits, and a wrong score is worse than a tie that chance breaks.
        items = items[(vectors[items] == vectors[first[of[items]]]).all(dim=1).numpy()]
        shared, members = np.unique(of[items], return_inverse=True)
        return cls(vectors[torch.from_numpy(first[shared])], items, members)

    def level(self, scores: Tensor, start: int, of_sets: Tensor) -> None:
        """Give twins one score, in place.

        Args:
            scores: `[num_users, width]` of the items from `start` on.
            start: the first of them.
            of_sets: `[num_users, num_sets]` scores of `vectors`.
        """
        low, high = np.searchsorted(self.items, [start, start + scores.shape[1]])
        if low < high:
            columns = self.items[low:high] - start
            scores[:, columns] = of_sets[:, self.of[low:high]]


def _hashes(vectors: Tensor) -> NDArray[np.uint64]:
    """`[num_items]` equal for equal rows, and else hardly ever: 64 bits."""
    # Adding 0 makes -0 and 0 one.
    factors = np.random.default_rng(0).integers(2**64, size=vectors.shape[1], dtype=np.uint64) | 1
    hashes = np.zeros(len(vectors), dtype=np.uint64)
    height = max(1, NUMBERS_AT_ONCE // vectors.shape[1])
    for start in range(0, len(vectors), height):
        block = (vectors[start : start + height].float() + 0.0).contiguous().numpy()
        bits = block.view(np.uint32).astype(np.uint64)
        bits *= SPREAD
        bits ^= bits >> np.uint64(32)
        hashes[start : start + height] = (bits * factors).sum(axis=1)
    return hashes
