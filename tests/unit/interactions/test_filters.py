"""Filters keep what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from towerflow.interactions.filters import (
    Filters,
    Repeats,
    active_users,
    longest_kept,
    recent,
    short_histories,
    without_repeats,
)

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)))
users_of_events = st.lists(st.integers(0, 3)).map(sorted)


def array(values: list[int]) -> np.ndarray:
    """Of integers, also when empty."""
    return np.array(values, dtype=np.int64)


@given(pairs, st.sampled_from(Repeats))
def test_of_each_pair_of_user_and_item_the_right_one_stays(
    rows: list[tuple[int, int]], repeats: Repeats
) -> None:
    user, item = array(rows).reshape(-1, 2).T
    others = {
        Repeats.FIRST: lambda place: rows[:place],
        Repeats.LAST: lambda place: rows[place + 1 :],
        Repeats.ALL: lambda place: [],
    }[repeats]
    keep = without_repeats(user, item, repeats)
    assert keep.tolist() == [row not in others(place) for place, row in enumerate(rows)]


@given(users_of_events, st.integers(1, 4))
def test_users_with_too_little_go_whole(users: list[int], minimum: int) -> None:
    keep = active_users(array(users), minimum)
    assert keep.tolist() == [users.count(user) >= minimum for user in users]


@given(users_of_events, st.integers(0, 4))
def test_users_with_too_much_go_whole(users: list[int], longest: int) -> None:
    keep = short_histories(array(users), longest)
    assert keep.tolist() == [users.count(user) <= longest for user in users]


@given(users_of_events, st.integers(0, 4))
def test_the_last_events_of_each_user_stay(users: list[int], max_history: int) -> None:
    keep = recent(array(users), max_history)
    expected = [
        max_history == 0 or users[place:].count(user) <= max_history
        for place, user in enumerate(users)
    ]
    assert keep.tolist() == expected


@pytest.mark.parametrize(
    ("lengths", "quantile", "longest"),
    [
        ([0, 5, 4, 0, 1], 0.9, 2),  # 9 of 10 users have at most 2 events
        ([0, 5, 4, 0, 1], 0.91, 4),
        ([0, 5, 4, 0, 1], 0.5, 1),
        ([0, 0, 3], 0.1, 2),
        ([], 0.5, 0),
    ],
)
def test_a_quantile_of_users_is_no_bot(lengths: list[int], quantile: float, longest: int) -> None:
    assert longest_kept(array(lengths), quantile) == longest


@pytest.mark.parametrize(
    "wrong",
    [{"bot_quantile": 0}, {"max_history": -1}, {"min_rating": float("inf")}, {"kore": 5}],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Filters(**wrong)
