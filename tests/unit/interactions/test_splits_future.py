"""Splits, position by position: a user's events are training, then validation, then test."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.splits import pair_hash, temporal_leave_one_out, time_order
from towerflow.schema import Split

# Users without any event stand between the others, as in a subset of a catalogue of users.
users_of_events = st.lists(st.integers(0, 9)).map(sorted)


def labels_of(users: list[int]) -> list[str]:
    """The label of each event of `users`, which stand in the order of `time_order`."""
    return temporal_leave_one_out(np.array(users, dtype=np.int64)).tolist()


def expected(num_events: int) -> list[str]:
    """What one user's events are for, oldest first."""
    if num_events < 3:
        return [Split.TRAIN] * num_events
    return [Split.TRAIN] * (num_events - 2) + [Split.VALIDATION, Split.TEST]


@given(users_of_events)
def test_training_comes_before_validation_and_validation_before_test(users: list[int]) -> None:
    labels = labels_of(users)
    for user in set(users):
        mine = [label for owner, label in zip(users, labels, strict=True) if owner == user]
        assert mine == expected(users.count(user))


def test_only_from_three_events_on_is_one_spared_for_each_judge() -> None:
    assert labels_of([0]) == ["train"]
    assert labels_of([0, 0]) == ["train", "train"]
    assert labels_of([0, 0, 0]) == ["train", "validation", "test"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2))))
def test_the_order_is_by_user_then_time_then_tie_break(rows: list[tuple[int, int, int]]) -> None:
    user, time, tie = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    order = time_order(user, time.astype(float), tie.astype(np.uint64))
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert [rows[index] for index in order] == sorted(rows)


def test_no_two_events_of_a_user_share_a_tie_break() -> None:
    """Were two equal, their order would be that of the file."""
    users, items = [f"user{n}" for n in range(20)], [f"item{n}" for n in range(50)]
    user, item = (axis.ravel() for axis in np.indices((len(users), len(items))))
    ties = pair_hash(users, items, user, item)
    assert len(np.unique(ties)) == len(users) * len(items)
