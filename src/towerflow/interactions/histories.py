"""Ragged lists of items per user: histories to learn and score from, targets to be judged by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ItemLists:
    """One list of item indices per user, stored flat: no padding, so long users cost no memory.

    Attributes:
        items: `[num_events]` item indices, user after user, oldest first within a user.
        offsets: `[num_users + 1]`; user u's items are `items[offsets[u]:offsets[u + 1]]`.
        user_index: `[num_users]` who they are in the Dataset, for models that know users; None:
            strangers.
    """

    items: IntArray
    offsets: IntArray
    user_index: IntArray | None = None

    @classmethod
    def from_lists(cls, lists: Iterable[Sequence[int] | IntArray]) -> "ItemLists":
        """Build from one sequence per user."""
        rows = [np.asarray(row, dtype=np.int64) for row in lists]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        items = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        return cls(items, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @classmethod
    def from_events(cls, user_index: IntArray, items: IntArray, num_users: int) -> "ItemLists":
        """Build from parallel arrays that are sorted by user, then by time."""
        assert (np.diff(user_index) >= 0).all(), "events must be sorted by user"
        counts = np.bincount(user_index, minlength=num_users)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(items, offsets, np.arange(num_users))

    def __len__(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    def __getitem__(self, user: int) -> IntArray:
        """Items of one user, oldest first."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    @property
    def lengths(self) -> IntArray:
        """`[num_users]` number of items of each user."""
        return np.diff(self.offsets)

    def take(self, users: IntArray) -> "ItemLists":
        """The lists of `users`, in that order."""
        lengths = self.lengths[users]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(self.offsets[users] - offsets[:-1], lengths)
        who = None if self.user_index is None else self.user_index[users]
        return ItemLists(self.items[np.arange(offsets[-1]) + shift], offsets, who)

    def where(self, keep: NDArray[np.bool_]) -> "ItemLists":
        """Each list without the events that `keep` `[num_events]` is false for."""
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return ItemLists(self.items[keep], kept_before[self.offsets], self.user_index)

    def last(self, length: int) -> "ItemLists":
        """Each list cut to its most recent `length` items."""
        return self.where(self.positions_from_end() < length)

    def rows(self) -> IntArray:
        """`[num_events]` the user that each item belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def positions_from_end(self) -> IntArray:
        """`[num_events]` 0 for each user's newest item, 1 for the one before, and so on."""
        ends = np.repeat(self.offsets[1:], self.lengths)
        return ends - 1 - np.arange(len(self.items), dtype=np.int64)

    def padded(self, fill: int) -> IntArray:
        """`[num_users, longest]` matrix, right-padded with `fill`."""
        width = int(self.lengths.max()) if len(self) else 0
        matrix = np.full((len(self), width), fill, dtype=np.int64)
        columns = np.arange(len(self.items)) - np.repeat(self.offsets[:-1], self.lengths)
        matrix[self.rows(), columns] = self.items
        return matrix
