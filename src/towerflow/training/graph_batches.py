"""Edges of the graph in random order, each with an item that its user has not taken."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray
from towerflow.models.adjacency import Edges
from towerflow.training.graph_config import Negatives


@dataclass(frozen=True)
class EdgeBatch:
    """Users, what they took, and what was drawn to score below it, each `[batch]`.

    Where nothing needs to be drawn, `negatives` are the positives.
    """

    users: IntArray
    positives: IntArray
    negatives: IntArray


class EdgeSampler:
    """Draws batches from `edges`; who took what is looked up by bisection of sorted pairs.

    Users who took everything have no untaken item, and teach nothing then.

    Args:
        edges: the training interactions.
        negatives: from among what they are drawn; None: they are not needed.

    Raises:
        InputError: nobody can teach.
    """

    def __init__(self, edges: Edges, negatives: Negatives | None) -> None:
        if negatives is Negatives.UNTAKEN:
            sated = edges.user_degrees() >= edges.num_items
            edges = edges.where(~sated[edges.users])
        if not len(edges.users):
            raise InputError(
                "the training split",
                expected="interactions to learn from, of users who have not taken everything",
                found="none",
            )
        if negatives is Negatives.OTHERS and edges.num_items == 1:
            raise InputError("the catalogue", expected="at least two items", found="one")
        self.edges = edges
        self.negatives = negatives
        self.pairs = edges.users * edges.num_items + edges.items

    def batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[EdgeBatch]:
        """One pass over the edges."""
        users, positives = self.edges.users, self.edges.items
        negatives = positives if self.negatives is None else self._draw(rng)
        order = rng.permutation(len(users))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            yield EdgeBatch(users[chosen], positives[chosen], negatives[chosen])

    def _draw(self, rng: np.random.Generator) -> IntArray:
        """`[num_edges]` uniform over the items that are allowed: drawn again until they are.

        For a whole pass in the order of users, since neighbours are looked up near each other.
        """
        drawn = rng.integers(self.edges.num_items, size=len(self.edges.users))
        again = np.flatnonzero(self._is_wrong(slice(None), drawn))
        while len(again):
            drawn[again] = rng.integers(self.edges.num_items, size=len(again))
            again = again[self._is_wrong(again, drawn[again])]
        return drawn

    def _is_wrong(self, edges: slice | IntArray, drawn: IntArray) -> NDArray[np.bool_]:
        if self.negatives is Negatives.OTHERS:
            same: NDArray[np.bool_] = drawn == self.edges.items[edges]
            return same
        pairs = self.edges.users[edges] * self.edges.num_items + drawn
        place = np.searchsorted(self.pairs, pairs)
        taken: NDArray[np.bool_] = self.pairs[np.minimum(place, len(self.pairs) - 1)] == pairs
        return taken
