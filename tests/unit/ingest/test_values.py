"""Whatever a dump puts into a field becomes text, the same from Python and from Arrow."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest.values import as_column, as_text, join_columns, storable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("x", "x"),
        (42, "42"),
        (42.0, "42"),
        (4.5, "4.5"),
        (True, "True"),
        ([["Office", "Paper"], None, ["Gifts"]], "Office Paper Gifts"),
        ([], ""),
        ({"a": "ä"}, '{"a": "ä"}'),
        ({"at": math.inf}, '{"at": Infinity}'),
    ],
)
def test_values_become_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


nested = st.lists(st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3), max_size=4)


@given(nested)
def test_lists_of_arrow_are_joined_like_those_of_python(
    rows: list[list[str | None] | None],
) -> None:
    found = as_column("categories", pa.array(rows, pa.list_(pa.string()))).to_pylist()
    expected = [storable(row) for row in rows]
    assert [(text or "").split() for text in found] == [(text or "").split() for text in expected]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_integers_of_arrow_are_not_rounded(values: list[int | None]) -> None:
    column = as_column("item_id", pa.array(values, pa.int64()))
    assert column.to_pylist() == [storable(value) for value in values]


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert storable("\ud83d!") == "?!"


def test_columns_are_joined_and_null_where_all_are() -> None:
    columns = [pa.array(["a", None, None]), pa.array([1, 2, None])]
    assert join_columns(columns).to_pylist() == ["a 1", "2", None]


def test_a_rating_of_whole_numbers_is_a_number() -> None:
    assert as_column("rating", pa.array([5, None], pa.int8())).to_pylist() == [5.0, None]
    assert as_column("rating", pa.array(["5"])).to_pylist() == ["5"]


@given(st.lists(st.none() | st.booleans() | st.floats()))
def test_booleans_and_floats_of_arrow_are_those_of_python(
    values: list[bool | float | None],
) -> None:
    for type_, kind in ((pa.bool_(), bool), (pa.float64(), float)):
        ours = [value if isinstance(value, kind) else None for value in values]
        expected = [storable(value) for value in ours]
        column = as_column("item_id", pa.array(ours, type_))
        assert column.to_pylist() == expected
        assert as_column("item_id", pa.array(ours, type_).dictionary_encode()).equals(column)


def test_a_dictionary_of_numbers_is_numbers() -> None:
    assert as_column("rating", pa.array([5, None, 5]).dictionary_encode()).to_pylist() == [
        5,
        None,
        5,
    ]
