"""What dumps put into a field, as one string."""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from towerflow.schema import RATING, RAW, RAW_LIMIT, TIMESTAMP

PROBLEM: Final = "problem"
UNREADABLE: Final = "unreadable file"
NUMBERS: Final = frozenset({TIMESTAMP, RATING})  # columns that may be numbers; all else is text
_OFTEN_REPEATED: Final = (pa.types.is_boolean, pa.types.is_floating, pa.types.is_temporal)

Row = dict[str, Any]


class Problem(NamedTuple):
    """A row that could not be parsed: why, and what it looks like."""

    problem: str
    raw: str


def as_text(value: object) -> str | None:
    """One string for a value of any kind; lists are joined, nothing is None.

    >>> as_text([["Office", "Paper"], ["Gifts"]])
    'Office Paper Gifts'
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return " ".join(text for text in map(as_text, value) if text)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 42.0 is how pandas writes the id 42
    return str(value)


def storable(value: object) -> str | None:
    """`as_text` that Arrow can hold: JSON may escape half a surrogate pair, which UTF-8 can't."""
    text = as_text(value)
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def as_column(name: str, values: pa.Array) -> pa.Array:
    """An Arrow array of any type as strings; numbers and times of NUMBERS as float64."""
    if name in NUMBERS:
        if pa.types.is_temporal(values.type):
            micros = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            return pc.divide(micros.cast(pa.float64()), 1e6)
        if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            # Beyond 2^53 only the order matters; and -0.0 is 0, as it is line by line.
            return pc.add(values.cast(pa.float64(), safe=False), 0.0)
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_integer(values.type) or pa.types.is_large_string(values.type):
        return values.cast(pa.string())
    if pa.types.is_list(values.type) and pa.types.is_string(values.type.value_type):
        whole = pc.fill_null(values.values, "")
        return pc.binary_join(_with_values(values, whole), " ")
    if pa.types.is_dictionary(values.type):
        return as_column(name, values.dictionary).take(values.indices)
    if any(is_type(values.type) for is_type in _OFTEN_REPEATED):
        distinct = values.dictionary_encode()
        return _one_by_one(_shortest(distinct.dictionary)).take(distinct.indices)
    return _one_by_one(values)


def join_columns(columns: list[pa.Array]) -> pa.Array:
    """The texts of several columns behind each other; null where all are."""
    if len(columns) == 1:
        return columns[0]
    joined, *others = (as_column("", column) for column in columns)
    for text in others:  # Arrow's own way to skip nulls (25.0) loses rows that have nothing else
        both = pc.binary_join_element_wise(joined, text, " ")
        joined = pc.coalesce(both, joined, text)
    return joined


def rows_to_table(rows: Iterable[Row | Problem], columns: tuple[str, ...]) -> pa.Table:
    """Parsed rows as a table of strings, with PROBLEM and RAW."""
    listed = list(rows)
    good = [row if isinstance(row, dict) else {} for row in listed]
    bad = [row if isinstance(row, Problem) else None for row in listed]
    arrays = {
        name: pa.array([storable(row.get(name)) for row in good], pa.string()) for name in columns
    }
    arrays[PROBLEM] = pa.array([row and row.problem for row in bad], pa.string())
    arrays[RAW] = pa.array([row and storable(row.raw[:RAW_LIMIT]) for row in bad], pa.string())
    return pa.table(arrays)


def without_problems(columns: dict[str, pa.Array]) -> pa.Table:
    """A table whose rows were all parsed."""
    length = len(next(iter(columns.values())))
    missing = pa.nulls(length, pa.string())
    return pa.table({**columns, PROBLEM: missing, RAW: missing})


def _one_by_one(values: pa.Array) -> pa.Array:
    return pa.array(map(storable, values.to_pylist()), pa.string())


def _shortest(values: pa.Array) -> pa.Array:
    """A float32 of 4.1 as the float64 that is written like it, not as 4.099999904632568."""
    if pa.types.is_float32(values.type):
        return values.cast(pa.string()).cast(pa.float64())
    return values


def _with_values(lists: pa.ListArray, values: pa.Array) -> pa.ListArray:
    mask = lists.is_null() if lists.null_count else None
    return pa.ListArray.from_arrays(lists.offsets, values, mask=mask)
