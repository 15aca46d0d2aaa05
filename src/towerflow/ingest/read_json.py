"""JSON Lines and Python-dict lines as tables: whole blocks at once, single lines where that fails.

Arrow's reader is many times faster than a parser per line, but refuses a block for one bad line
and guesses types. So it is told the types that the file's first lines have, and what it refuses,
or reads as another number of rows than there are lines, is parsed line by line.
"""

import ast
import io
import json
from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.json as pj

from towerflow.ingest.layout import Layout
from towerflow.ingest.lines import MAX_LINE_BYTES, Stream, line_blocks
from towerflow.ingest.values import (
    NUMBERS,
    Problem,
    Row,
    as_column,
    join_columns,
    rows_to_table,
    without_problems,
)
from towerflow.schema import SLICE_PREFIX

SAMPLED_LINES: Final = 100
TOO_LONG: Final = f"a line of over {MAX_LINE_BYTES // 1_000_000} MB"
NOT_JSON: Final = "not a JSON object"
NOT_A_DICT: Final = "not a Python dict"


def json_tables(stream: Stream, layout: Layout, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """The rows of JSON Lines, a block at a time."""
    types: pa.Schema | None = None
    for block in line_blocks(stream):
        types = guess_types(block, layout, columns) if types is None else types
        table = _read_block(block, types, layout, columns)
        yield table if table is not None else parse_lines(block, layout, columns, parse_json)


def python_tables(stream: Stream, layout: Layout, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """The rows of a file with the literal of a Python dict on each line (Amazon 2014)."""
    for block in line_blocks(stream):
        yield parse_lines(block, layout, columns, parse_python)


def parse_lines(
    block: bytes, layout: Layout, columns: tuple[str, ...], parse: Callable[[str], Row | Problem]
) -> pa.Table:
    """Each line by itself; blank lines are no rows."""
    rows: list[Row | Problem] = []
    for line in block.decode(layout.encoding, "replace").split("\n"):
        if not line or line.isspace():
            continue
        row = Problem(TOO_LONG, line) if len(line) > MAX_LINE_BYTES else parse(line)
        rows.append(pick(row, layout, columns) if isinstance(row, dict) else row)
    return rows_to_table(rows, columns)


def parse_json(line: str) -> Row | Problem:
    """One line of JSON."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    return row if isinstance(row, dict) else Problem(NOT_JSON, line)


def parse_python(line: str) -> Row | Problem:
    """One Python literal, evaluated without running anything."""
    try:
        row = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        row = None
    return row if isinstance(row, dict) else Problem(NOT_A_DICT, line)


def pick(row: Row, layout: Layout, columns: tuple[str, ...]) -> Row:
    """Our `columns` of a parsed row, under our names."""
    picked = {}
    for column in columns:
        values = [_look_up(row, source) for source in layout.sources(column)]
        picked[column] = values[0] if len(values) == 1 else [v for v in values if v is not None]
    return picked


def guess_types(block: bytes, layout: Layout, columns: tuple[str, ...]) -> pa.Schema:
    """Types of the wanted fields in the first lines; empty where Arrow's reader can't be used."""
    lines = block.split(b"\n", SAMPLED_LINES)[:SAMPLED_LINES]
    parsed = [parse_json(line.decode(layout.encoding, "replace")) for line in lines]
    rows = [row for row in parsed if isinstance(row, dict)]
    fields = []
    for column in columns:
        for source in layout.sources(column):
            type_ = _common_type([row.get(source) for row in rows], column)
            if type_ is None or "." in source or layout.encoding != "utf-8":
                return pa.schema([])
            fields.append(pa.field(source, type_))
    return pa.schema(dict.fromkeys(fields))


def _read_block(
    block: bytes, types: pa.Schema, layout: Layout, columns: tuple[str, ...]
) -> pa.Table | None:
    """The block by Arrow's reader, or None if it can't or may be wrong."""
    if not types.names or len(set(types.names)) < len(types.names):
        return None
    num_lines = block.count(b"\n")
    if num_lines != block.count(b"\n{") + block.startswith(b"{"):
        return None  # not an object on every line; a null at the start would crash Arrow (25.0)
    try:
        table = pj.read_json(
            io.BytesIO(block),
            read_options=pj.ReadOptions(use_threads=False, block_size=2 * len(block)),
            parse_options=pj.ParseOptions(
                explicit_schema=types, unexpected_field_behavior="ignore"
            ),
        )
        table.validate(full=True)  # of the text: Arrow lets bytes through that are not UTF-8
    except pa.ArrowException:
        return None
    if len(table) != num_lines:
        return None  # two objects on a line, or one on two
    arrays = {}
    for column in columns:
        parts = [table[source].combine_chunks() for source in layout.sources(column)]
        arrays[column] = as_column(column, parts[0]) if len(parts) == 1 else join_columns(parts)
    return without_problems(arrays)


def _common_type(values: list[object], column: str) -> pa.DataType | None:
    """The Arrow type of all values but None; None if there is no single one that is safe.

    An id must not become a rounded float; in a column to slice by that is no matter.
    """
    sliced = column.startswith(SLICE_PREFIX)
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {str}:
        return pa.string()
    if kinds == {int}:
        return pa.int64()
    if (column in NUMBERS or sliced) and kinds <= {int, float}:
        return pa.float64()
    if sliced and kinds == {bool}:
        return pa.bool_()
    if kinds == {list} and all(
        isinstance(part, str) for value in values if isinstance(value, list) for part in value
    ):
        return pa.list_(pa.string())
    return None


def _look_up(row: Row, source: str) -> object:
    """`row["details.Brand"]`, or `row["details"]["Brand"]` if there is no such key."""
    if source in row or "." not in source:
        return row.get(source)
    outer, _, inner = source.partition(".")
    inside = row.get(outer)
    return _look_up(inside, inner) if isinstance(inside, dict) else None
