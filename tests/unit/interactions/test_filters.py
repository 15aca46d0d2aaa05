"""Filters keep what they say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.filters import active_users, first_occurrence

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)))


@given(pairs)
def test_each_pair_of_user_and_item_stays_once_and_it_is_the_first(
    rows: list[tuple[int, int]],
) -> None:
    user, item = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    keep = first_occurrence(user, item)
    assert keep.tolist() == [row not in rows[:index] for index, row in enumerate(rows)]


@given(st.lists(st.integers(0, 3)), st.integers(1, 4))
def test_users_with_too_little_go_whole(users: list[int], minimum: int) -> None:
    keep = active_users(np.array(users, dtype=np.int64), minimum)
    assert keep.tolist() == [users.count(user) >= minimum for user in users]
