"""Which interactions are kept; each filter is counted in the Dataset's manifest."""

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray


def first_occurrence(user_index: IntArray, item_index: IntArray) -> NDArray[np.bool_]:
    """Mask that keeps a user's first event with an item, in the given (time) order.

    Evaluation hides what a user has seen, so a repeat could never be recommended.
    """
    pairs = np.stack([user_index, item_index], axis=1)
    keep = np.zeros(len(pairs), dtype=bool)
    if len(pairs):
        keep[np.unique(pairs, axis=0, return_index=True)[1]] = True
    return keep


def active_users(user_index: IntArray, min_interactions: int) -> NDArray[np.bool_]:
    """Mask that keeps the events of users who have at least `min_interactions` of them."""
    if not len(user_index):
        return np.zeros(0, dtype=bool)
    enough: NDArray[np.bool_] = np.bincount(user_index)[user_index] >= min_interactions
    return enough
