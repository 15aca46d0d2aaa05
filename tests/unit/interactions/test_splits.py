"""Splits: nothing of the future in training, every event in one split, order by ids alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.splits import pair_hash, temporal_leave_one_out, time_order
from towerflow.schema import Split

USERS, ITEMS = ["u", "v", "w"], ["a", "b", "c", "d", "e"]
RANK = {Split.TRAIN: 0, Split.VALIDATION: 1, Split.TEST: 2}
events = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3)), unique_by=lambda e: e[:2]
)


def ordered(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The rows (user, item, time) in the order that the splits see."""
    user, item, time = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    order = time_order(user, time.astype(float), pair_hash(USERS, ITEMS, user, item))
    return [rows[index] for index in order]


@given(events)
def test_a_user_learns_from_nothing_later_than_what_judges(
    rows: list[tuple[int, int, int]],
) -> None:
    in_order = ordered(rows)
    labels = temporal_leave_one_out(np.array([user for user, _, _ in in_order], dtype=np.int64))
    for user in range(3):
        mine = [(row[2], RANK[label]) for row, label in zip(in_order, labels, strict=True)
                if row[0] == user]  # fmt: skip
        assert mine == sorted(mine)


@given(events)
def test_every_event_is_in_one_split_and_each_judge_has_one_event_a_user(
    rows: list[tuple[int, int, int]],
) -> None:
    in_order = ordered(rows)
    labels = temporal_leave_one_out(np.array([user for user, _, _ in in_order], dtype=np.int64))
    assert sorted(in_order) == sorted(rows)
    for user in range(3):
        mine = [label for row, label in zip(in_order, labels, strict=True) if row[0] == user]
        judges = 1 if len(mine) >= 3 else 0
        assert mine.count(Split.TEST) == mine.count(Split.VALIDATION) == judges
        assert mine.count(Split.TRAIN) == len(mine) - 2 * judges


@given(events.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_rows_changes_nothing(
    both: tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]],
) -> None:
    assert ordered(both[0]) == ordered(both[1])


def test_users_break_ties_between_the_same_items_differently() -> None:
    """Were it one order for all, a sequence model could learn it."""
    users = [f"user{number}" for number in range(64)]
    pairs = [
        np.argsort(pair_hash(users, ITEMS, np.full(2, user), np.array([0, 1])))[0]
        for user in range(64)
    ]
    assert 16 < sum(pairs) < 48


def test_the_hash_depends_on_ids_not_on_their_positions() -> None:
    alone = pair_hash(["v"], ["b"], np.array([0]), np.array([0]))
    among = pair_hash(USERS, ITEMS, np.array([1]), np.array([1]))
    assert alone == among
