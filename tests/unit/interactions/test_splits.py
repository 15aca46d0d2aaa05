"""Splits: every event has one label, and nothing that judges has been learnt from."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.hashing import hash_ids
from towerflow.interactions.splits import (
    TEST,
    TRAIN,
    VALIDATION,
    FewShot,
    event_hash,
    global_time,
    keep_few,
    label_items,
    new_items,
    random_leave_one_out,
    temporal_leave_one_out,
)

# Users without any event stand between the others, as in a subset of all users.
users_of_events = st.lists(st.integers(0, 9), max_size=40).map(sorted)


def users(values: list[int]) -> np.ndarray:
    """Codes, also when there are none."""
    return np.array(values, dtype=np.int64)


def ties(count: int, seed: int = 0) -> np.ndarray:
    """Different pseudo-random numbers."""
    return np.random.default_rng(seed).permutation(count).astype(np.uint64) * np.uint64(2**50)


@given(users_of_events)
def test_training_comes_before_validation_and_validation_before_test(rows: list[int]) -> None:
    labels = temporal_leave_one_out(users(rows)).tolist()
    for user in set(rows):
        mine = [label for owner, label in zip(rows, labels, strict=True) if owner == user]
        few = len(mine) < 3
        assert mine == ([TRAIN] * len(mine) if few else [TRAIN] * (len(mine) - 2) + [1, 2])


@given(users_of_events, st.integers(0, 5))
def test_a_random_split_leaves_out_one_event_each_of_users_who_can_spare_two(
    rows: list[int], seed: int
) -> None:
    labels = random_leave_one_out(users(rows), ties(len(rows)), seed).tolist()
    for user in set(rows):
        mine = [label for owner, label in zip(rows, labels, strict=True) if owner == user]
        judges = 1 if len(mine) >= 3 else 0
        assert mine.count(TEST) == mine.count(VALIDATION) == judges


def test_a_random_split_is_random_and_repeats_under_its_seed() -> None:
    owner, tie = users([0] * 50 + [1] * 50), ties(100)
    places = [random_leave_one_out(owner, tie, seed).tolist().index(TEST) for seed in range(20)]
    assert len(set(places)) > 10
    again = [random_leave_one_out(owner, tie, seed).tolist().index(TEST) for seed in range(20)]
    assert again == places


@given(st.lists(st.floats(-1e9, 1e9)), st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_by_time_no_training_event_is_later_than_any_that_judges(
    times: list[float], validation: float, more: float
) -> None:
    labels = global_time(np.array(times, dtype=np.float64), validation, validation + more)
    in_order = [label for _, label in sorted(zip(times, labels.tolist(), strict=True))]
    assert in_order == sorted(in_order)


@given(st.lists(st.integers(0, 19)), st.integers(0, 5), st.sampled_from([0.1, 0.3, 0.49]))
def test_no_item_that_judges_is_ever_trained_on(items: list[int], seed: int, share: float) -> None:
    of_item = label_items(hash_ids(pa.array([f"i{n}" for n in range(20)])), share, seed)
    labels = new_items(users(items), of_item).tolist()
    seen = {label: {i for i, one in zip(items, labels, strict=True) if one == label}
            for label in (TRAIN, VALIDATION, TEST)}  # fmt: skip
    assert seen[TRAIN].isdisjoint(seen[VALIDATION] | seen[TEST])
    assert seen[VALIDATION].isdisjoint(seen[TEST])


def test_the_share_of_items_that_are_new_is_the_one_asked_for() -> None:
    labels = label_items(hash_ids(pa.array([f"i{n}" for n in range(10_000)])), 0.1, 0)
    shares = np.bincount(labels) / len(labels)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


@given(users_of_events, st.sampled_from([FewShot.SINGLE, FewShot.HALF]), st.integers(0, 3))
def test_few_shot_takes_from_training_alone(rows: list[int], few: FewShot, seed: int) -> None:
    owner = users(rows)
    labels = temporal_leave_one_out(owner)
    keep = keep_few(owner, labels, ties(len(rows)), few, seed)
    assert keep[labels != TRAIN].all()
    for user in set(rows):
        before = int(((owner == user) & (labels == TRAIN)).sum())
        after = int(((owner == user) & (labels == TRAIN) & keep).sum())
        assert after == (1 if few is FewShot.SINGLE else (before + 1) // 2)


@given(users_of_events)
def test_without_few_shot_everything_stays(rows: list[int]) -> None:
    owner = users(rows)
    labels = temporal_leave_one_out(owner)
    assert keep_few(owner, labels, ties(len(rows)), FewShot.NONE, 0).all()


def test_users_break_ties_between_the_same_items_differently() -> None:
    """Were it one order for all, a sequence model could learn it."""
    user = hash_ids(pa.array([f"user{n}" for n in range(64)]))
    first, second = hash_ids(pa.array(["a", "b"]))
    swapped = event_hash(user, first) > event_hash(user, second)
    assert 16 < int(swapped.sum()) < 48


def test_no_two_events_share_a_tie_break() -> None:
    """Were two equal, their order would be that of the file."""
    user = hash_ids(pa.array([f"user{n}" for n in range(20)]))
    item = hash_ids(pa.array([f"item{n}" for n in range(50)]))
    ties_of_all = event_hash(user[:, None], item[None, :])
    assert len(np.unique(ties_of_all)) == 20 * 50
