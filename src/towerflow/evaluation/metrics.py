"""Ranking metrics: per user first, then the mean.

Each takes `hits` and `num_relevant`:

- `hits`: `[num_users, depth]`, 1 where the item at that rank is relevant; rank 1 is column 0.
- `num_relevant`: `[num_users]`, at least 1: a user without relevant items has no metric.
"""

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.retrieval.topk import NO_ITEM

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_]


def find_hits(recommended: IntArray, relevant: ItemLists) -> Hits:
    """Where `recommended` `[num_users, depth]` names an item of the user's `relevant` list."""
    if not recommended.size or not len(relevant.items):
        return np.zeros(recommended.shape, dtype=bool)
    span = max(int(recommended.max()), int(relevant.items.max())) + 1
    users = np.arange(len(recommended)).reshape(-1, 1)
    pairs = np.where(recommended == NO_ITEM, NO_ITEM, users * span + recommended)
    return np.isin(pairs, relevant.rows() * span + relevant.items)


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


METRICS = {"recall": recall, "ndcg": ndcg}
