"""Ranking metrics: per user first, then the mean.

Each takes `hits` and `num_relevant`:

- `hits`: `[num_users, depth]`, 1 where the item at that rank is relevant; rank 1 is column 0.
- `num_relevant`: `[num_users]`, at least 1: a user without relevant items has no metric.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray, ItemLists

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_]
EVENTS_AT_ONCE: Final = 65_536  # bounds the memory, not the result


def find_hits(recommended: IntArray, relevant: ItemLists) -> Hits:
    """Where `recommended` `[num_users, depth]` names an item of the user's `relevant` list."""
    hits = np.zeros(recommended.shape, dtype=bool)
    users = relevant.rows()
    for start in range(0, len(users), EVENTS_AT_ONCE):
        block = slice(start, start + EVENTS_AT_ONCE)
        event, place = np.nonzero(recommended[users[block]] == relevant.items[block, np.newaxis])
        hits[users[block][event], place] = True
    return hits


def recall(hits: Hits, num_relevant: IntArray, k: int) -> Floats:
    """Share of a user's relevant items among the first k: `|top k ∩ relevant| / |relevant|`.

    One relevant item at rank 2: Recall@1 = 0, Recall@2 = 1.

    >>> recall(np.array([[False, True, False]]), np.array([1]), 2)
    array([1.])
    """
    found: Floats = hits[:, :k].sum(axis=1) / num_relevant
    return found


def ndcg(hits: Hits, num_relevant: IntArray, k: int) -> Floats:
    """`DCG@k / IDCG@k` with gain 1 and discount `1 / log2(rank + 1)`.

    The ideal list holds min(relevant, k) items, so a perfect list scores 1 at every k.

    >>> ndcg(np.array([[False, True, False]]), np.array([1]), 2).round(4)  # 1 / log2(3)
    array([0.6309])
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    gained = (hits[:, :k] * discounts[: hits.shape[1]]).sum(axis=1)
    ideal = np.cumsum(discounts)[np.minimum(num_relevant, k) - 1]
    quotient: Floats = gained / ideal
    return quotient


def hit_rate(hits: Hits, num_relevant: IntArray, k: int) -> Floats:
    """1 if any of the first k is relevant, else 0; with one relevant item the same as Recall.

    >>> hit_rate(np.array([[False, True, True]]), np.array([4]), 2)
    array([1.])
    """
    found: Floats = (hits[:, :k].sum(axis=1) > 0).astype(np.float64)
    return found


def mrr(hits: Hits, num_relevant: IntArray, k: int) -> Floats:
    """`1 / rank` of the first relevant item, 0 if that is beyond k.

    >>> mrr(np.array([[False, True, True]]), np.array([2]), 3)
    array([0.5])
    """
    cut = hits[:, :k]
    ranks = cut.argmax(axis=1) + 1 if cut.shape[1] else np.ones(len(hits))
    reciprocal: Floats = np.where(cut.any(axis=1), 1.0 / ranks, 0.0)
    return reciprocal


def average_precision(hits: Hits, num_relevant: IntArray, k: int) -> Floats:
    """Mean over all relevant items of the precision at their rank, 0 for those beyond k.

    Divided by the number of relevant items, as trec_eval does, not by min(relevant, K).

    >>> average_precision(np.array([[False, True, True]]), np.array([4]), 3).round(4)
    array([0.2917])
    """
    cut = hits[:, :k]
    precision = np.cumsum(cut, axis=1) / np.arange(1, cut.shape[1] + 1)
    total: Floats = (precision * cut).sum(axis=1)
    return total / num_relevant


METRICS = {
    "recall": recall,
    "ndcg": ndcg,
    "hit_rate": hit_rate,
    "mrr": mrr,
    "map": average_precision,
}
