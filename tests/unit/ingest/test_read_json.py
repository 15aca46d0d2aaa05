"""Whole blocks by Arrow and single lines by Python: the same rows either way."""

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest import read_json
from towerflow.ingest.layout import Layout
from towerflow.ingest.read_json import json_tables, parse_json, parse_lines, python_tables

COLUMNS = ("item_id", "title", "categories", "timestamp")
texts = st.text(max_size=4) | st.just("x")
values = {
    "item_id": st.none() | texts | st.integers(),
    "title": st.none() | texts,
    "categories": st.none() | texts | st.lists(st.none() | texts, max_size=2),
    "timestamp": st.none() | st.integers(-9, 2**53) | st.floats(width=32) | texts,
}
objects = st.fixed_dictionaries({}, optional=values)
odd_lines = st.sampled_from(
    ["", "  ", "[1]", "null", "nonsense", '{"item_id": "1"}{"item_id": "2"}', '{"item_id":', '"2"}']
)


def read(text: str) -> list[dict[str, Any]]:
    """Rows of `text` as json_tables gives them, numbers as their text."""
    tables = json_tables(io.BytesIO(text.encode("utf-8", "surrogatepass")), Layout(), COLUMNS)
    return [normal(row) for table in tables for row in table.to_pylist()]


def normal(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers as numbers and lists with single spaces, whoever parsed them."""
    time = row["timestamp"]
    with contextlib.suppress(ValueError):
        row["timestamp"] = None if time is None else repr(float(time))
    row["categories"] = row["categories"] and row["categories"].split(" ")
    return {**row, "categories": row["categories"] and [c for c in row["categories"] if c]}


@given(st.lists(objects, max_size=5))
def test_arrow_and_python_read_the_same_rows(rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    by_line = parse_lines(text.encode(), Layout(), COLUMNS, parse_json).to_pylist()
    assert read(text) == [normal(row) for row in by_line]


def test_minus_zero_is_zero_whoever_parsed_it() -> None:
    assert read('{"item_id": "a", "timestamp": -0.0}\n')[0]["timestamp"] == "0.0"


@given(st.lists(objects.map(json.dumps) | odd_lines, max_size=5))
def test_no_odd_line_changes_the_rows_around_it(lines: list[str]) -> None:
    text = "\n".join(lines)
    by_line = parse_lines(text.encode(), Layout(), COLUMNS, parse_json).to_pylist()
    assert read(text) == [normal(row) for row in by_line]


def test_good_lines_do_go_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("parsed line by line")

    monkeypatch.setattr(read_json, "parse_lines", forbidden)
    row = {"item_id": 7, "title": "t", "categories": ["a", "b"], "timestamp": 1.5, "more": {}}
    assert (
        read((json.dumps(row) + "\n") * 3)
        == [
            {
                "item_id": "7",
                "title": "t",
                "categories": ["a", "b"],
                "timestamp": "1.5",
                "problem": None,
                "raw": None,
            }
        ]
        * 3
    )


def test_a_line_that_is_too_long_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_json, "MAX_LINE_BYTES", 50)
    found = parse_lines(b'{"item_id": "%s"}\n{}\n' % (b"x" * 99), Layout(), COLUMNS, parse_json)
    assert found["problem"].to_pylist() == ["a line of over 16 MB", None]


def test_python_dicts_are_read_without_running_anything() -> None:
    good = b"{'item_id': 'a', 'title': \"it's\", 'categories': [['Toys', 'Games']]}"
    lines = good + b"\n__import__('os')\n"
    [table] = python_tables(io.BytesIO(lines), Layout(), COLUMNS)
    row, bad = table.to_pylist()
    assert (row["title"], row["categories"]) == ("it's", "Toys Games")
    assert bad["problem"] == "not a Python dict"
