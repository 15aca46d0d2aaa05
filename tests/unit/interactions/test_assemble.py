"""Joining: nothing is lost between what came in and what is kept, dropped or rejected."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.check import CHECKED_INTERACTIONS, CHECKED_ITEMS, Checked
from towerflow.interactions.assemble import catalogue, join_items, order_and_split

NOTHING = schema.REJECTED_SCHEMA.empty_table()


def items(*ids: str) -> pa.Table:
    """Checked items."""
    rows = range(1, len(ids) + 1)
    columns = [["f"] * len(ids), list(rows), list(ids), list(ids), list(ids)]
    return pa.table(columns, schema=CHECKED_ITEMS)


def events(*rows: tuple[str, str, float]) -> pa.Table:
    """Checked interactions: user, item, time."""
    users, names, times = ([row[part] for row in rows] for part in range(3))
    columns = [["f"] * len(rows), list(range(1, len(rows) + 1)), users, names, times]
    return pa.table(columns, schema=CHECKED_INTERACTIONS)


def test_the_catalogue_is_in_order_of_ids() -> None:
    found = catalogue(items("b", "a", "10", "9"), "items")
    assert found[schema.ITEM_ID].to_pylist() == ["10", "9", "a", "b"]
    assert found[schema.ITEM_INDEX].to_pylist() == [0, 1, 2, 3]


def test_an_id_that_stands_twice_is_refused_with_its_rows() -> None:
    with pytest.raises(
        InputError, match=r"each id once, found 'a' 3 times, first in row 1 of f and row 3 of f\."
    ):
        catalogue(items("a", "b", "a", "a"), "items")


rows = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcx"), st.sampled_from([1.0, 2.0])),
    min_size=1,
)


@given(rows, st.integers(1, 3))
def test_every_row_is_kept_dropped_or_rejected(
    raw: list[tuple[str, str, float]], min_interactions: int
) -> None:
    known = catalogue(items("a", "b", "c"), "items")
    joined = join_items(
        Checked(events(*raw), NOTHING), Checked(items(), NOTHING), known, "log", "reject"
    )
    assert len(joined.accepted) + len(joined.rejected) == len(raw)
    assert set(joined.rejected[schema.ITEM_ID].to_pylist()) <= {"x"}
    try:
        kept, dropped = order_and_split(joined.accepted, known, "log", min_interactions)
    except InputError:
        return
    assert len(kept) + sum(dropped.values()) == len(joined.accepted)
    pairs = list(
        zip(kept[schema.USER_ID].to_pylist(), kept[schema.ITEM_INDEX].to_pylist(), strict=True)
    )
    assert len(set(pairs)) == len(pairs)
    users = kept[schema.USER_ID].to_pylist()
    assert all(users.count(user) >= min_interactions for user in users)


def test_users_are_indexed_without_gaps_after_small_ones_went() -> None:
    known = catalogue(items("a", "b"), "items")
    log = events(("u", "a", 1), ("v", "a", 1), ("v", "b", 2), ("w", "b", 1), ("w", "a", 2))
    kept, dropped = order_and_split(log, known, "log", 2)
    assert kept[schema.USER_INDEX].to_pylist() == [0, 0, 1, 1]
    assert kept[schema.USER_ID].to_pylist() == ["v", "v", "w", "w"]
    assert kept[schema.ITEM_INDEX].to_pylist() == [0, 1, 1, 0]
    assert dropped == {"dropped_repeats": 0, "dropped_small_users": 1}
