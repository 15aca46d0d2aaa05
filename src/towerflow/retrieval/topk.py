"""One interface for search, two ways to do it: exact in blocks, and a faiss index."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists

NO_ITEM = -1
SCORES_AT_ONCE = 4_000_000  # user × item scores held at a time: 16 MB of float32, cache-sized


@dataclass(frozen=True)
class TopItems:
    """The best items per user, best first.

    Attributes:
        items: `[num_users, k]` item indices; NO_ITEM where there were fewer than k to choose from.
        scores: `[num_users, k]`; -inf where there is no item.
    """

    items: IntArray
    scores: NDArray[np.float32]


class TopK(Protocol):
    """Search over item vectors by dot product."""

    is_exact: bool

    def search(self, users: Tensor, k: int, exclude: ItemLists) -> TopItems:
        """Best `k` items for `users` `[num_users, dim]`, without those in their `exclude` list."""
        ...


class ExactTopK:
    """Scores everything, in blocks of users. Equal scores: the lower item index comes first."""

    is_exact = True

    def __init__(self, item_vectors: Tensor) -> None:
        self.item_vectors = item_vectors

    def search(self, users: Tensor, k: int, exclude: ItemLists) -> TopItems:
        """See `TopK.search`."""
        num_items = len(self.item_vectors)
        assert 0 < k <= num_items, f"k = {k} of {num_items} items"
        block = max(1, SCORES_AT_ONCE // num_items)
        results = [
            self._search_block(users[start : start + block], k, exclude, start)
            for start in range(0, len(users), block)
        ]
        if not results:
            return _empty(k)
        return TopItems(
            items=np.concatenate([result.items for result in results]),
            scores=np.concatenate([result.scores for result in results]),
        )

    def _search_block(self, users: Tensor, k: int, exclude: ItemLists, start: int) -> TopItems:
        scores = users @ self.item_vectors.T
        seen = exclude.take(np.arange(start, start + len(users)))
        scores[seen.rows(), seen.items] = -torch.inf
        items = _best(scores, k)
        best = scores.gather(1, items)
        items = items.masked_fill(best == -torch.inf, NO_ITEM)
        return TopItems(items.numpy(), best.numpy())


class FaissTopK:
    """Search through a faiss index, as a service would; over-fetches to make up for exclusions."""

    def __init__(self, index: Any, *, is_exact: bool) -> None:
        self.index = index
        self.is_exact = is_exact

    def search(self, users: Tensor, k: int, exclude: ItemLists) -> TopItems:
        """See `TopK.search`."""
        if not len(users):
            return _empty(k)
        wanted = min(self.index.ntotal, k + int(exclude.lengths.max()))
        scores, items = self.index.search(users.numpy().astype(np.float32), wanted)
        seen = np.zeros_like(items, dtype=bool)
        for row in range(len(users)):
            seen[row] = np.isin(items[row], exclude[row])
        # Stable: what is left keeps its order and moves to the front.
        order = np.argsort(seen | (items < 0), axis=1, kind="stable")[:, :k]
        gone = np.take_along_axis(seen | (items < 0), order, axis=1)
        return TopItems(
            items=np.where(gone, NO_ITEM, np.take_along_axis(items, order, axis=1)),
            scores=np.where(gone, -np.inf, np.take_along_axis(scores, order, axis=1)).astype(
                np.float32
            ),
        )


def _best(scores: Tensor, k: int) -> Tensor:
    """Indices of the k highest per row, ties by lower index; `torch.topk` leaves ties open."""
    values, items = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    items = items[:, :k]
    if values.shape[1] > k:
        open_rows = values[:, k - 1] == values[:, k]  # who is in is left open, not only the order
        items[open_rows] = _best_of_tied(scores[open_rows], k)
    items = items.sort(dim=1).values
    order = scores.gather(1, items).argsort(dim=1, descending=True, stable=True)
    return items.gather(1, order)


def _best_of_tied(scores: Tensor, k: int) -> Tensor:
    """Indices of the k highest per row, ascending; of what ties with the last, the lower ones."""
    threshold = scores.topk(k, dim=1).values[:, -1:]
    above = scores > threshold
    tied = scores == threshold
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (tied & (tied.cumsum(dim=1) <= room))
    return chosen.nonzero()[:, 1].view(len(scores), k)


def _empty(k: int) -> TopItems:
    return TopItems(np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32))
