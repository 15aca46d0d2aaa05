"""Which interactions are kept; each filter is counted in the Dataset's manifest.

All work on the events of some users, sorted by user and then time.
"""

from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from towerflow.interactions.histories import IntArray

BoolArray = NDArray[np.bool_]


class Repeats(StrEnum):
    """Which of a user's interactions with the same item are kept."""

    FIRST = "first"
    LAST = "last"
    ALL = "all"


class Filters(BaseModel):
    """What is left out on purpose, in the order in which it happens."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_rating: float | None = Field(
        default=None, description="Interactions rated lower are no sign of liking."
    )
    repeats: Repeats = Field(
        default=Repeats.FIRST, description="Which of a user's interactions with an item is kept."
    )
    bot_quantile: Annotated[
        float, Field(gt=0, le=1, description="Users with longer histories than this quantile go.")
    ] = 1.0
    max_history: Annotated[
        int, Field(ge=0, description="Most recent interactions of a user that are kept; 0: all.")
    ] = 0
    min_user_interactions: Annotated[
        int, Field(ge=1, description="Users with fewer interactions are left out.")
    ] = 3
    min_item_interactions: Annotated[
        int, Field(ge=1, description="Interactions with items that have fewer are left out.")
    ] = 1


def without_repeats(user: IntArray, item: IntArray, repeats: Repeats) -> BoolArray:
    """Mask that keeps a user's first or last event with an item, or all.

    Evaluation hides what a user has seen, so a repeat could never be recommended.
    """
    if repeats is Repeats.ALL or not len(user):
        return np.ones(len(user), dtype=bool)
    keys = user * (int(item.max()) + 1) + item
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edge = np.ones(len(keys), dtype=bool)
    edge[1:] = ordered[1:] != ordered[:-1]
    if repeats is Repeats.LAST:
        edge = np.append(edge[1:], True)
    keep = np.zeros(len(keys), dtype=bool)
    keep[order[edge]] = True
    return keep


def short_histories(user: IntArray, longest: int) -> BoolArray:
    """Mask that keeps the events of users who have at most `longest`."""
    return _counts(user) <= longest


def recent(user: IntArray, max_history: int) -> BoolArray:
    """Mask that keeps each user's `max_history` last events; 0 keeps all."""
    if not max_history or not len(user):
        return np.ones(len(user), dtype=bool)
    ends = np.searchsorted(user, user, side="right")
    keep: BoolArray = ends - np.arange(len(user)) <= max_history
    return keep


def active_users(user: IntArray, min_interactions: int) -> BoolArray:
    """Mask that keeps the events of users who have at least `min_interactions`."""
    return _counts(user) >= min_interactions


def _counts(user: IntArray) -> IntArray:
    """`[num_events]` how many events the user of each has."""
    if not len(user):
        return np.empty(0, dtype=np.int64)
    counts: IntArray = np.bincount(user)[user]
    return counts


def longest_kept(lengths: IntArray, quantile: float) -> int:
    """Length of the longest history that is not a bot's.

    Args:
        lengths: `[longest + 1]` how many users have a history of that length.
        quantile: share of users, above 0, who are surely kept.
    """
    users = np.cumsum(lengths)
    return int(np.searchsorted(users, quantile * users[-1] - 1e-9)) if len(users) else 0
