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


@given(lists, st.integers(0, 7))
def test_last_keeps_the_end_of_each(rows: list[list[int]], length: int) -> None:
    expected = [row[len(row) - min(length, len(row)) :] for row in rows]
    assert as_lists(ItemLists.from_lists(rows).last(length)) == expected


@given(lists, st.data())
def test_take_leaves_out_reorders_and_repeats(rows: list[list[int]], data: st.DataObject) -> None:
    users = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    taken = ItemLists.from_lists(rows).take(np.array(users, dtype=np.int64))
    assert as_lists(taken) == [rows[user] for user in users]
    assert (taken.items.dtype, taken.offsets.dtype) == (np.int64, np.int64)


@given(lists, st.data())
def test_where_keeps_some_events_and_every_user(rows: list[list[int]], data: st.DataObject) -> None:
    keep = [data.draw(st.lists(st.booleans(), min_size=len(r), max_size=len(r))) for r in rows]
    flat = np.array([kept for row in keep for kept in row], dtype=bool)
    found = ItemLists.from_lists(rows).where(flat)
    assert as_lists(found) == [
        [item for item, kept in zip(row, of_row, strict=True) if kept]
        for row, of_row in zip(rows, keep, strict=True)
    ]
    assert (found.items.dtype, found.offsets.dtype) == (np.int64, np.int64)


@given(lists, st.integers(0, 9))
def test_where_takes_a_condition_on_items(rows: list[list[int]], most: int) -> None:
    ragged = ItemLists.from_lists(rows)
    found = ragged.where(ragged.items < most)
    assert as_lists(found) == [[item for item in row if item < most] for row in rows]
    assert as_lists(ragged) == rows, "a copy"


@given(lists)
def test_padding_stands_on_the_right(rows: list[list[int]]) -> None:
    width = max(len(row) for row in rows)
    padded = ItemLists.from_lists(rows).padded(fill=-1)
    assert padded.tolist() == [row + [-1] * (width - len(row)) for row in rows]


def test_nobody_has_no_lists() -> None:
    nobody = ItemLists.from_lists([])
    assert len(nobody) == 0
    assert nobody.padded(fill=0).shape == (0, 0)
