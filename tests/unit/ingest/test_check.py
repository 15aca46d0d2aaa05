"""Checking: accepted and rejected are all rows, each refusal has its reason."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest import check
from towerflow.ingest.check import Checked, CheckedInteractions, KnownItems, parse_timestamps
from towerflow.schema import RAW_LIMIT
from towerflow.text.template import parse_template

texts = st.none() | st.text(max_size=5)
KNOWN = KnownItems(pa.array(["a", "b"]), pa.array(["bad"]))


def check_items(table: pa.Table) -> Checked:
    """Checked with LEARN's template."""
    return check.check_items(table, parse_template("learn"))


def check_interactions(table: pa.Table, min_rating: float | None = None) -> CheckedInteractions:
    """Checked against the items a and b, and the item bad, which was rejected."""
    return check.check_interactions(table, KNOWN, min_rating)


def table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> pa.Table:
    """What a reader gives for rows of one file."""
    names = (*columns, "problem", "raw", "file")
    arrays = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    arrays["file"] = pa.array(["f"] * len(rows), pa.string())
    return pa.table({**arrays, "row": pa.array(range(1, len(rows) + 1), pa.int64())})


def items(*rows: dict[str, Any]) -> pa.Table:
    """Raw items."""
    return table(("item_id", "title", "brand", "categories", "description"), list(rows))


def events(*rows: dict[str, Any]) -> pa.Table:
    """Raw interactions."""
    return table(("user_id", "item_id", "timestamp", "rating"), list(rows))


def test_an_item_is_cleaned_and_titled() -> None:
    accepted, rejected = check_items(
        items(
            {"item_id": " a ", "title": "Tom &amp; <i>Jerry</i>", "brand": "nan"},
            {"item_id": "b", "brand": "Foliant"},
        )
    )
    assert len(rejected) == 0
    assert accepted.select(["item_id", "title", "text"]).to_pylist() == [
        {"item_id": "a", "title": "Tom & Jerry", "text": "Title: Tom & Jerry"},
        {"item_id": "b", "title": "Brand: Foliant", "text": "Brand: Foliant"},
    ]


def test_columns_to_slice_by_stay_with_the_rows_that_are_accepted() -> None:
    rows = [
        {"item_id": "a", "title": "Pen", "slice:country": " N/A "},
        {"item_id": "", "title": "Ink", "slice:country": "NL"},
        {"item_id": "c", "title": "Pad", "slice:country": "DE"},
    ]
    accepted, rejected = check_items(
        table(("item_id", "title", "brand", "categories", "description", "slice:country"), rows)
    )
    assert accepted["slice:country"].to_pylist() == ["N/A", "DE"]  # no placeholder here
    assert json.loads(rejected["raw"][0].as_py())["slice:country"] == "NL"
    names = ("user_id", "item_id", "timestamp", "rating", "slice:rating")
    log = [
        {"user_id": "u", "item_id": "a", "timestamp": "1", "rating": r, "slice:rating": r}
        for r in ("3", "4.0", "nan", "5")
    ]
    found = check_interactions(table(names, log), 4)
    assert found.accepted["slice:rating"].to_pylist() == ["4.0", "5"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"title": "x"}, "no item_id"),
        ({"item_id": "  ", "title": "x"}, "no item_id"),
        ({"item_id": "a"}, "no text"),
        ({"item_id": "a", "title": "n/a", "description": "<br>"}, "no text"),
        ({"problem": "not a JSON object", "raw": "[1]"}, "not a JSON object"),
    ],
)
def test_an_item_that_cannot_be_used_has_a_reason(row: dict[str, Any], reason: str) -> None:
    accepted, rejected = check_items(items({"item_id": "z", "title": "good"}, row))
    assert accepted["item_id"].to_pylist() == ["z"]
    (refused,) = rejected.to_pylist()
    assert (refused["file"], refused["row"], refused["reason"]) == ("f", 2, reason)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"item_id": "a", "timestamp": "1"}, "no user_id"),
        ({"user_id": "u", "timestamp": "1"}, "no item_id"),
        ({"user_id": "u", "item_id": "a"}, "unparsable timestamp"),
        ({"user_id": "u", "item_id": "a", "timestamp": "soon"}, "unparsable timestamp"),
        ({"timestamp": "soon"}, "no user_id"),
        ({"user_id": "u", "item_id": "x", "timestamp": "1"}, "unknown item"),
        ({"user_id": "u", "item_id": "bad", "timestamp": "1"}, "its item was rejected"),
        ({"user_id": "u" * 513, "item_id": "a", "timestamp": "1"}, "over-long user_id"),
    ],
)
def test_an_interaction_that_cannot_be_used_has_its_first_reason(
    row: dict[str, Any], reason: str
) -> None:
    accepted, rejected, low_rated = check_interactions(events(row))
    assert len(accepted) == low_rated == 0
    assert rejected["reason"].to_pylist() == [reason]


def test_a_rejected_row_keeps_its_item_id_and_itself() -> None:
    row = {"user_id": "u", "item_id": "a", "timestamp": "soon"}
    (refused,) = check_interactions(events(row)).rejected.to_pylist()
    assert refused["item_id"] == "a"
    assert json.loads(refused["raw"]) == {**row, "rating": None}
    unparsed = {"problem": "not a JSON object", "raw": "[1]"}
    assert check_items(items(unparsed)).rejected["raw"].to_pylist() == ["[1]"]


def test_a_long_row_is_cut() -> None:
    (refused,) = check_items(items({"title": "x" * 5000})).rejected.to_pylist()
    assert len(refused["raw"]) == RAW_LIMIT


@given(st.lists(st.fixed_dictionaries({"item_id": texts, "title": texts, "brand": texts})))
def test_every_item_is_accepted_or_rejected(rows: list[dict[str, Any]]) -> None:
    accepted, rejected = check_items(items(*rows))
    numbers = accepted["row"].to_pylist() + rejected["row"].to_pylist()
    assert sorted(numbers) == list(range(1, len(rows) + 1))


ids = texts | st.sampled_from(["a", "bad"])
numbers = texts | st.sampled_from(["1", "2.5", "-3"])
some_events = st.lists(
    st.fixed_dictionaries(
        {"user_id": texts, "item_id": ids, "timestamp": numbers, "rating": numbers}
    )
)


@given(some_events, st.none() | st.just(2.0))
def test_every_interaction_is_accepted_rejected_or_rated_too_low(
    rows: list[dict[str, Any]], min_rating: float | None
) -> None:
    accepted, rejected, low_rated = check_interactions(events(*rows), min_rating)
    assert len(accepted) + len(rejected) + low_rated == len(rows)
    assert min_rating is not None or low_rated == 0


def test_a_rating_that_is_too_low_is_no_reject_and_one_that_is_none_is() -> None:
    row = {"user_id": "u", "item_id": "b", "timestamp": "1"}
    accepted, rejected, low_rated = check_interactions(
        events(*({**row, "rating": rating} for rating in ("3", "4.0", "5", "good", None))), 4
    )
    assert accepted["item_index"].to_pylist() == [1, 1]
    assert rejected["reason"].to_pylist() == ["unparsable rating"] * 2
    assert low_rated == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("12", 12.0),
        ("12.5", 12.5),
        ("-3", -3.0),
        ("1970-01-02", 86_400.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01 01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:01Z", 1.0),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("yesterday", None),
        ("1970-13-01", None),
        (None, None),
    ],
)
def test_timestamps_are_numbers_or_iso_dates(value: str | None, seconds: float | None) -> None:
    parsed = parse_timestamps(pa.chunked_array([pa.array([value], pa.string())]))
    assert parsed.to_pylist() == [seconds]


def test_numbers_pass_but_for_those_that_are_none() -> None:
    values = pa.chunked_array([pa.array([1.5, float("nan"), float("inf"), None])])
    assert parse_timestamps(values).to_pylist() == [1.5, None, None, None]
