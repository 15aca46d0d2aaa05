"""Edges of the graph in random order, each with an item that its user has not taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray
from towerflow.models.adjacency import Edges
from towerflow.training.graph_config import Negatives


@dataclass(frozen=True)
class EdgeBatch:
    """Users, what they took, and what was drawn to score below it, each `[batch]`."""

    users: IntArray
    positives: IntArray
    negatives: IntArray


class EdgeSampler:
    """Draws batches from `edges`; who took what is looked up by bisection of sorted pairs."""

    def __init__(self, edges: Edges, negatives: Negatives) -> None:
        self.edges = edges
        self.negatives = negatives
        self.pairs = edges.users * edges.num_items + edges.items

    @classmethod
    def of(cls, edges: Edges, negatives: Negatives) -> Self:
        """A sampler; users who took everything can have no untaken negative and are left out."""
        if negatives is Negatives.UNTAKEN:
            sated = edges.user_degrees() >= edges.num_items
            edges = edges.where(~sated[edges.users])
        return cls(edges, negatives)

    def batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[EdgeBatch]:
        """One pass over the edges."""
        order = rng.permutation(len(self.edges.users))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            users, positives = self.edges.users[chosen], self.edges.items[chosen]
            yield EdgeBatch(users, positives, self._draw(users, positives, rng))

    def _draw(self, users: IntArray, positives: IntArray, rng: np.random.Generator) -> IntArray:
        """`[batch]` uniform over the items that are allowed: drawn again until they are."""
        drawn = rng.integers(self.edges.num_items, size=len(users))
        again = np.flatnonzero(self._is_wrong(users, positives, drawn))
        while len(again):
            drawn[again] = rng.integers(self.edges.num_items, size=len(again))
            wrong = self._is_wrong(users[again], positives[again], drawn[again])
            again = again[wrong]
        return drawn

    def _is_wrong(self, users: IntArray, positives: IntArray, drawn: IntArray) -> NDArray[np.bool_]:
        if self.negatives is Negatives.OTHERS:
            same: NDArray[np.bool_] = drawn == positives
            return same
        pairs = users * self.edges.num_items + drawn
        place = np.searchsorted(self.pairs, pairs)
        taken: NDArray[np.bool_] = self.pairs[np.minimum(place, len(self.pairs) - 1)] == pairs
        return taken
