"""Which interaction may teach, which may choose, which may judge."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray
from towerflow.schema import Split

UnsignedArray = NDArray[np.uint64]


def time_order(
    user_index: IntArray, timestamp: NDArray[np.float64], tie_break: UnsignedArray
) -> IntArray:
    """Order of events by user, then time, then `tie_break` (see `pair_hash`)."""
    return np.lexsort((tie_break, timestamp, user_index)).astype(np.int64)


def pair_hash(
    user_ids: Sequence[str], item_ids: Sequence[str], user_index: IntArray, item_index: IntArray
) -> UnsignedArray:
    """`[num_events]` pseudo-random number that depends on the event's user_id and item_id alone.

    Equal timestamps are common (a tenth of Amazon users have everything on one day), so order
    among them must come from somewhere. File order would change with sharding; order of item ids
    would be the same for every user, a pattern that a sequence model learns and is then paid for
    in the test. This order is repeatable and carries nothing.
    """
    return _mix(_hash_ids(user_ids)[user_index] + _hash_ids(item_ids)[item_index])


def temporal_leave_one_out(user_index: IntArray) -> NDArray[np.object_]:
    """Label each event: a user's last is TEST, the one before VALIDATION, all earlier TRAIN.

    Users with fewer than three events have nothing to spare: all of theirs are TRAIN.

    Args:
        user_index: `[num_events]`, sorted by `time_order`.
    """
    counts = np.bincount(user_index) if len(user_index) else np.empty(0, dtype=np.int64)
    ends = np.cumsum(counts)
    from_end = ends[user_index] - 1 - np.arange(len(user_index))
    spare = counts[user_index] >= 3
    labels = np.full(len(user_index), Split.TRAIN.value, dtype=object)
    labels[spare & (from_end == 0)] = Split.TEST.value
    labels[spare & (from_end == 1)] = Split.VALIDATION.value
    return labels


def _hash_ids(ids: Sequence[str]) -> UnsignedArray:
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _mix(values: UnsignedArray) -> UnsignedArray:
    """SplitMix64's finaliser: sums of two hashes would tie for swapped pairs' neighbours."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
