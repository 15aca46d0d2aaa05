"""ItemLists: ragged lists behave like lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists

lists = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=6)


def as_lists(ragged: ItemLists) -> list[list[int]]:
    """Back to plain lists."""
    return [ragged[user].tolist() for user in range(len(ragged))]


@given(lists)
def test_it_keeps_what_it_was_made_of(rows: list[list[int]]) -> None:
    ragged = ItemLists.from_lists(rows)
    assert as_lists(ragged) == rows
    assert ragged.lengths.tolist() == [len(row) for row in rows]
    assert ragged.rows().tolist() == [user for user, row in enumerate(rows) for _ in row]


@given(lists)
def test_events_sorted_by_user_give_the_same_lists(rows: list[list[int]]) -> None:
    ragged = ItemLists.from_lists(rows)
    again = ItemLists.from_events(ragged.rows(), ragged.items, len(rows))
    assert as_lists(again) == rows


@given(lists, st.integers(1, 7))
def test_last_keeps_the_end_of_each(rows: list[list[int]], length: int) -> None:
    assert as_lists(ItemLists.from_lists(rows).last(length)) == [row[-length:] for row in rows]


@given(lists)
def test_take_reorders_and_repeats(rows: list[list[int]]) -> None:
    users = np.array([len(rows) - 1, 0, 0])
    assert as_lists(ItemLists.from_lists(rows).take(users)) == [rows[-1], rows[0], rows[0]]


@given(lists)
def test_padding_stands_on_the_right(rows: list[list[int]]) -> None:
    width = max(len(row) for row in rows)
    padded = ItemLists.from_lists(rows).padded(fill=-1)
    assert padded.tolist() == [row + [-1] * (width - len(row)) for row in rows]


def test_nobody_has_no_lists() -> None:
    nobody = ItemLists.from_lists([])
    assert len(nobody) == 0
    assert nobody.padded(fill=0).shape == (0, 0)
