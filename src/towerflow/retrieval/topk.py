"""Exact search for evaluation: all items are scored, in blocks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.retrieval.twins import Twins

NO_ITEM = -1
SCORES_AT_ONCE = 4_000_000  # user × item scores held at a time: 16 MB of float32, cache-sized
ITEMS_AT_ONCE = 65_536  # columns of these; with more, too few users share a product


@dataclass(frozen=True)
class TopItems:
    """The best items per user, best first.

    Attributes:
        items: `[num_users, k]` item indices; NO_ITEM where there were fewer than k to choose from.
        scores: `[num_users, k]`; -inf where there is no item.
    """

    items: IntArray
    scores: NDArray[np.float32]


class ExactTopK:
    """Scores everything, in blocks of users and items. Equal scores: the lower item index first.

    Args:
        item_vectors: `[num_items, dim]`.
        unranked: item indices that nobody is recommended.
    """

    def __init__(self, item_vectors: Tensor, unranked: IntArray | None = None) -> None:
        self.item_vectors = item_vectors
        self.unranked = np.empty(0, dtype=np.int64) if unranked is None else unranked
        self._twins = Twins.among(item_vectors)
        low, high = item_vectors.aminmax()
        self._longest = torch.maximum(-low, high)

    def search(
        self,
        users: Tensor,
        k: int,
        exclude: ItemLists,
        hindered: ItemLists | None = None,
        only: ItemLists | None = None,
    ) -> TopItems:
        """The best `k` items of each user by dot product.

        Args:
            users: `[num_users, dim]`.
            k: how many.
            exclude: per user, items that are left out.
            hindered: per user, items whose scores are lowered by one step of rounding, so that
                they lose every tie.
            only: per user, the items that compete; None: all.

        Returns:
            Items and scores, `[num_users, k]` each.
        """
        num_items = len(self.item_vectors)
        assert 0 < k <= num_items, f"k = {k} of {num_items} items"
        width = min(num_items, ITEMS_AT_ONCE)
        height = max(1, SCORES_AT_ONCE // width)
        rules = _Rules(exclude, hindered, only)
        results = []
        for start in range(0, len(users), height):
            block = np.arange(start, min(start + height, len(users)))
            results.append(self._search_users(users[block], k, rules.of_users(block), width))
        if not results:
            return _empty(k)
        return TopItems(
            items=np.concatenate([result.items for result in results]),
            scores=np.concatenate([result.scores for result in results]),
        )

    def _search_users(self, users: Tensor, k: int, rules: "_Rules", width: int) -> TopItems:
        """The best of each block of `width` items against the best of the blocks before it."""
        best, chosen = users[:, :0], torch.empty((len(users), 0), dtype=torch.int64)
        of_twins = users @ self._twins.vectors.T
        may_overflow = not (self._longest * users.abs().sum(dim=1).max()).isfinite()
        for start in range(0, len(self.item_vectors), width):
            scores = users @ self.item_vectors[start : start + width].T
            self._twins.level(scores, start, of_twins)
            if may_overflow:  # topk takes NaN for the highest
                scores.nan_to_num_(nan=-torch.inf)
            rules.of_items(start, scores.shape[1]).apply(scores)
            scores[:, _within(self.unranked, start, scores.shape[1])] = -torch.inf
            found = _best(scores, min(k, scores.shape[1]))
            best = torch.cat([best, scores.gather(1, found)], dim=1)
            chosen = torch.cat([chosen, found + start], dim=1)
            if start:
                # Stable: what ties is in the order of its index already.
                order = best.argsort(dim=1, descending=True, stable=True)[:, :k]
                best, chosen = best.gather(1, order), chosen.gather(1, order)
        return TopItems(chosen.masked_fill(best == -torch.inf, NO_ITEM).numpy(), best.numpy())


@dataclass(frozen=True)
class _Rules:
    """What `ExactTopK.search` is told of some users and items."""

    exclude: ItemLists
    hindered: ItemLists | None
    only: ItemLists | None

    def of_users(self, users: IntArray) -> "_Rules":
        """The same of `users`."""
        return self._map(lambda lists: lists.take(users))

    def of_items(self, start: int, width: int) -> "_Rules":
        """The same of `width` items from `start` on, which is item 0 now."""
        return self._map(lambda lists: _columns(lists, start, width))

    def apply(self, scores: Tensor) -> None:
        """Change `scores` `[num_users, num_items]` in place."""
        if self.hindered is not None:
            at = (self.hindered.rows(), self.hindered.items)
            scores[at] = scores[at].nextafter(torch.tensor(-torch.inf))
        if self.only is not None:
            others = torch.ones(scores.shape, dtype=torch.bool)
            others[self.only.rows(), self.only.items] = False
            scores[others] = -torch.inf
        scores[self.exclude.rows(), self.exclude.items] = -torch.inf

    def _map(self, change: Callable[[ItemLists], ItemLists]) -> "_Rules":
        return _Rules(
            change(self.exclude),
            None if self.hindered is None else change(self.hindered),
            None if self.only is None else change(self.only),
        )


def _columns(lists: ItemLists, start: int, width: int) -> ItemLists:
    kept = lists.where((lists.items >= start) & (lists.items < start + width))
    return replace(kept, items=kept.items - start)


def _within(items: IntArray, start: int, width: int) -> IntArray:
    return items[(items >= start) & (items < start + width)] - start


def _best(scores: Tensor, k: int) -> Tensor:
    """Indices of the k highest per row, ties by lower index; `torch.topk` leaves ties open."""
    values, items = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    items = items[:, :k]
    tied = (values[:, 1:] == values[:, :-1]).any(dim=1)
    if tied.any():
        items[tied] = _best_of_tied(scores[tied], k)
    return items


def _best_of_tied(scores: Tensor, k: int) -> Tensor:
    """As `_best`, with more work: of what ties with the last that is in, the lower indices."""
    threshold = scores.topk(k, dim=1).values[:, -1:]
    above = scores > threshold
    level = scores == threshold
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (level & (level.cumsum(dim=1) <= room))
    items = chosen.nonzero()[:, 1].view(len(scores), k)
    order = scores.gather(1, items).argsort(dim=1, descending=True, stable=True)
    return items.gather(1, order)


def _empty(k: int) -> TopItems:
    return TopItems(np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32))
