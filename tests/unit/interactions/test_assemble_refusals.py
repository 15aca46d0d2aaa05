"""Joining: what is refused says why, and the order of the rows in the files changes nothing."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.check import CHECKED_INTERACTIONS, CHECKED_ITEMS, Checked
from towerflow.interactions.assemble import (
    ITEM_REJECTED,
    UNKNOWN_ITEM,
    catalogue,
    join_items,
    order_and_split,
)

Event = tuple[str, str, float]
REJECTED_ITEM = pa.table(
    [["items.csv"], [2], ["bad"], ["no text"], ["{}"]], schema=schema.REJECTED_SCHEMA
)
NOTHING = schema.REJECTED_SCHEMA.empty_table()
ITEMS = pa.table(
    [["items.csv"] * 3, [1, 3, 4], ["b", "a", "c"], ["Bee", "Ant", "Cat"], ["tb", "ta", "tc"]],
    schema=CHECKED_ITEMS,
)
CATALOGUE = catalogue(ITEMS, "items.csv")


def log(rows: list[Event]) -> pa.Table:
    """Checked interactions: user, item, time."""
    users, items, times = ([row[part] for row in rows] for part in range(3))
    numbers = list(range(1, len(rows) + 1))
    return pa.table(
        [["log.csv"] * len(rows), numbers, users, items, times], schema=CHECKED_INTERACTIONS
    )


def test_title_and_text_stay_with_their_item() -> None:
    assert CATALOGUE.select([schema.ITEM_ID, schema.TITLE, schema.TEXT]).to_pylist() == [
        {"item_id": "a", "title": "Ant", "text": "ta"},
        {"item_id": "b", "title": "Bee", "text": "tb"},
        {"item_id": "c", "title": "Cat", "text": "tc"},
    ]


def test_an_unknown_item_is_an_error_that_names_its_row() -> None:
    events = Checked(log([("u", "a", 1), ("u", "x", 2), ("v", "y", 3)]), NOTHING)
    with pytest.raises(
        InputError,
        match=r"^log\.csv: item_id: .* found 2 of 3 interactions with others, the first 'x' in "
        r"log\.csv at row 2; set unknown_items to reject",
    ):
        join_items(events, Checked(ITEMS, NOTHING), CATALOGUE, "log.csv", "error")


def test_events_of_a_rejected_item_are_rejected_even_where_unknown_items_are_an_error() -> None:
    events = Checked(log([("u", "bad", 1), ("u", "a", 2)]), NOTHING)
    joined = join_items(events, Checked(ITEMS, REJECTED_ITEM), CATALOGUE, "log.csv", "error")
    assert joined.accepted[schema.ITEM_ID].to_pylist() == ["a"]
    assert joined.rejected[schema.REASON].to_pylist() == [ITEM_REJECTED]


def test_each_rejected_event_has_its_own_reason_and_earlier_rejects_stay() -> None:
    earlier = pa.table(
        [["log.csv"], [9], ["a"], ["no time"], ["{}"]], schema=schema.REJECTED_SCHEMA
    )
    events = Checked(log([("u", "bad", 1), ("u", "x", 2)]), earlier)
    joined = join_items(events, Checked(ITEMS, REJECTED_ITEM), CATALOGUE, "log.csv", "reject")
    rejected = joined.rejected.select([schema.ROW, schema.REASON]).to_pylist()
    reasons = {row["row"]: row["reason"] for row in rejected}
    assert len(rejected) == 3
    assert reasons == {9: "no time", 1: ITEM_REJECTED, 2: UNKNOWN_ITEM}


def test_when_nobody_has_enough_it_says_how_many_there_were() -> None:
    events = log([("u", "a", 1), ("u", "a", 2), ("v", "b", 1)])  # u took one item, twice
    with pytest.raises(
        InputError, match=r"at least 2 interactions with different items, found none among 2 users"
    ):
        order_and_split(events, CATALOGUE, "log.csv", 2)


def test_of_a_repeat_the_earliest_stays() -> None:
    events = log([("u", "a", 5), ("u", "b", 2), ("u", "a", 1)])
    kept, dropped = order_and_split(events, CATALOGUE, "log.csv", 1)
    assert kept[schema.ITEM_INDEX].to_pylist() == [0, 1]
    assert kept[schema.TIMESTAMP].to_pylist() == [1, 2]
    assert dropped == {"dropped_repeats": 1, "dropped_small_users": 0}


rows = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abc"), st.sampled_from([1.0, 2.0])),
    min_size=1,
    max_size=12,
)


@given(rows.flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))))
def test_the_order_of_rows_in_the_log_changes_nothing(
    both: tuple[list[Event], list[Event]],
) -> None:
    one, other = (order_and_split(log(drawn), CATALOGUE, "log.csv", 1) for drawn in both)
    assert one[0].equals(other[0])
    assert one[1] == other[1]
