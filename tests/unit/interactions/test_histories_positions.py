"""ItemLists: positions counted from the newest item, and users who have nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists

lists = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=5)


@given(lists)
def test_positions_from_the_end_count_down_to_the_newest(rows: list[list[int]]) -> None:
    counted = ItemLists.from_lists(rows).positions_from_end().tolist()
    assert counted == [position for row in rows for position in reversed(range(len(row)))]


@given(lists)
def test_lists_as_long_as_the_longest_lose_nothing(rows: list[list[int]]) -> None:
    ragged = ItemLists.from_lists(rows)
    longest = max((len(row) for row in rows), default=0)
    kept = ragged.last(longest + 1)
    assert kept.items.tolist() == ragged.items.tolist()
    assert kept.offsets.tolist() == ragged.offsets.tolist()


def test_users_without_events_have_empty_lists_between_and_after_the_others() -> None:
    ragged = ItemLists.from_events(np.array([1, 1, 3]), np.array([7, 8, 9]), num_users=5)
    assert [ragged[user].tolist() for user in range(5)] == [[], [7, 8], [], [9], []]


def test_nobody_can_be_taken() -> None:
    nobody = ItemLists.from_lists([[1, 2], [3]]).take(np.array([], dtype=np.int64))
    assert len(nobody) == 0
    assert nobody.items.tolist() == []


def test_events_that_are_not_sorted_by_user_are_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="sorted by user"):
        ItemLists.from_events(np.array([1, 0]), np.array([5, 6]), num_users=2)
