"""CSV and other delimited text as tables, with one wrong quote costing one row, not the rest."""

import csv
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from towerflow.ingest.layout import Layout
from towerflow.ingest.lines import MAX_LINE_BYTES, Stream, line_blocks
from towerflow.ingest.read_json import TOO_LONG
from towerflow.ingest.values import Problem, Row, rows_to_table
from towerflow.schema import CATEGORIES, SLICE_PREFIX

ROWS_AT_ONCE: Final = 10_000
MAX_LINES_OF_A_ROW: Final = 1_000
BAD_QUOTE: Final = "a quote that is not closed or not at a field's end"

csv.field_size_limit(MAX_LINE_BYTES)


def csv_tables(stream: Stream, layout: Layout, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """The rows of comma-separated text, quoted as in RFC 4180."""
    return _tables(csv_records(_lines(stream, layout)), layout, columns)


def delimited_tables(
    stream: Stream, layout: Layout, columns: tuple[str, ...]
) -> Iterator[pa.Table]:
    """The rows of text whose fields hold neither the delimiter nor a line break."""
    return _tables(_split_lines(stream, layout), layout, columns)


def header(stream: Stream, format_: str, layout: Layout) -> list[str]:
    """Column names of a file: those of the layout, or its first row."""
    if layout.header:
        return list(layout.header)
    if format_ == "csv":
        first = next(csv_records(_lines(stream, layout)), [])
    else:
        first = next(_split_lines(stream, layout), [])
    return [name.strip() for name in first] if isinstance(first, list) else []


def csv_records(lines: Iterator[str]) -> Iterator[list[str] | Problem]:
    """Fields of each record, or a row with its problem; blank lines are none.

    A quoted field may go on over lines. If what begins as one never ends, ends in the middle of a
    field, or makes a record of another length than the first, only its first line is given up and
    reading goes on with the next.
    """
    waiting: deque[str] = deque()
    num_fields = 0
    while True:
        line = waiting.popleft() if waiting else next(lines, None)
        if line is None:
            return
        if not line or '"' not in line or len(line) > MAX_LINE_BYTES:
            for record in _split(line, ","):
                num_fields = num_fields or len(record)
                yield record
            continue
        taken = [line]
        fields = _parse(taken)
        while fields is None and len(taken) < MAX_LINES_OF_A_ROW:
            following = waiting.popleft() if waiting else next(lines, None)
            if following is None:
                break
            taken.append(following)
            if '"' in following:
                fields = _parse(taken)
        num_fields = num_fields or (len(fields) if fields else 0)
        if fields and (len(taken) == 1 or len(fields) == num_fields):
            yield fields
        else:
            yield Problem(BAD_QUOTE, taken[0])
            waiting.extendleft(reversed(taken[1:]))


def _parse(lines: list[str]) -> list[str] | None:
    """Fields of the one record that `lines` hold; none if they are wrong, None if it goes on."""
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    try:
        fields = next(reader)
    except csv.Error as error:
        return None if "end of data" in str(error) else []
    return fields if reader.line_num == len(lines) else []


def _tables(
    records: Iterator[list[str] | Problem], layout: Layout, columns: tuple[str, ...]
) -> Iterator[pa.Table]:
    names: Sequence[str] = layout.header
    if not names:
        first = next(records, [])
        names = [name.strip() for name in first] if isinstance(first, list) else []
    to_row = _row_maker(names, layout, columns)
    while batch := list(itertools.islice(records, ROWS_AT_ONCE)):
        yield rows_to_table(map(to_row, batch), columns)


def _row_maker(
    names: Sequence[str], layout: Layout, columns: tuple[str, ...]
) -> Callable[[list[str] | Problem], Row | Problem]:
    position = {name: index for index, name in enumerate(names)}
    places = {
        column: [position[source] for source in layout.sources(column) if source in position]
        for column in columns
    }
    flags = [position[name] for name in layout.flags]

    def to_row(fields: list[str] | Problem) -> Row | Problem:
        if isinstance(fields, Problem):
            return fields
        if len(fields) != len(names):
            problem = f"{len(fields)} fields where the header has {len(names)}"
            return Problem(problem, json.dumps(fields, ensure_ascii=False))
        row: Row = {
            column: fields[at[0]] if len(at) == 1 else [fields[index] for index in at]
            for column, at in places.items()
            if at
        }
        if flags:
            set_flags = [names[index] for index in flags if fields[index] == "1"]
            row |= {CATEGORIES: set_flags, SLICE_PREFIX + CATEGORIES: set_flags}
        return row

    return to_row


def _lines(stream: Stream, layout: Layout) -> Iterator[str]:
    """Lines without their breaks; bytes that are not text become U+FFFD and stay visible."""
    for block in line_blocks(stream):
        for line in block.decode(layout.encoding, "replace").split("\n")[:-1]:
            yield line.removesuffix("\r")


def _split_lines(stream: Stream, layout: Layout) -> Iterator[list[str] | Problem]:
    for line in _lines(stream, layout):
        yield from _split(line, layout.delimiter)


def _split(line: str, delimiter: str) -> Iterator[list[str] | Problem]:
    """The record on a line without quotes; a blank line has none."""
    if len(line) > MAX_LINE_BYTES:
        yield Problem(TOO_LONG, line)
    elif line:
        yield line.split(delimiter)
