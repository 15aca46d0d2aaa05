"""Read a raw file as Arrow tables, a batch of rows at a time, whatever its format.

Every table has `file`, `row`, the wanted columns as strings (a timestamp may be a number), and
`problem` with `raw` for rows that could not be parsed. Nothing raises: a file that breaks off
yields a row whose problem starts with UNREADABLE.
"""

import csv
import itertools
import json
import zlib
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow.ingest.files import RawFile
from towerflow.schema import FILE, RAW, RAW_LIMIT, ROW, TIMESTAMP

PROBLEM: Final = "problem"
UNREADABLE: Final = "unreadable file"
ROWS_AT_ONCE: Final = 10_000
_READ_ERRORS = (OSError, EOFError, zlib.error, pa.ArrowException, csv.Error)

Row = dict[str, Any]


def read_tables(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """Yield the rows of `file` in order, at most ROWS_AT_ONCE a table."""
    next_row = 1
    tables = _read_parquet(file, columns) if file.format == "parquet" else _read_text(file, columns)
    for table in tables:
        yield _number_rows(table, file, next_row)
        next_row += len(table)


def as_text(value: object) -> str | None:
    """One string for what dumps put into a field; lists are joined, nothing is None.

    >>> as_text([["Office", "Paper"], ["Gifts"]])
    'Office Paper Gifts'
    """
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return " ".join(text for text in map(as_text, value) if text)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 42.0 is how pandas writes the id 42
    return str(value)


def _read_text(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    rows = _until_broken(_json_rows(file) if file.format == "jsonl" else _csv_rows(file))
    while batch := list(itertools.islice(rows, ROWS_AT_ONCE)):
        yield _to_table(batch, columns)


def _until_broken(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows before a file breaks off are good ones and must not go with the batch."""
    try:
        yield from rows
    except _READ_ERRORS as error:
        yield _broken_row(error)


def _json_rows(file: RawFile) -> Iterator[Row]:
    with file.open_text() as lines:
        for line in lines:
            if line.isspace():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield row if isinstance(row, dict) else _problem_row("not a JSON object", line)


def _csv_rows(file: RawFile) -> Iterator[Row]:
    with file.open_csv() as rows:
        header = [name.strip() for name in next(rows)]
        for values in rows:
            if not values:  # a blank line
                continue
            if len(values) == len(header):
                yield dict(zip(header, values, strict=True))
            else:
                problem = f"{len(values)} fields where the header has {len(header)}"
                yield _problem_row(problem, json.dumps(values, ensure_ascii=False))


def _read_parquet(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    try:
        yield from _parquet_batches(file, columns)
    except _READ_ERRORS as error:
        yield _to_table([_broken_row(error)], columns)


def _parquet_batches(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    with pq.ParquetFile(file.path) as parquet:
        present = [name for name in columns if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(batch_size=ROWS_AT_ONCE, columns=present):
            arrays = {
                name: _parquet_column(name, batch.column(name))
                if name in present
                else pa.nulls(len(batch), pa.string())
                for name in columns
            }
            missing = pa.nulls(len(batch), pa.string())
            yield pa.table({**arrays, PROBLEM: missing, RAW: missing})


def _parquet_column(name: str, values: pa.Array) -> pa.Array:
    if name == TIMESTAMP and pa.types.is_temporal(values.type):
        micros = values.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64())
        return pc.divide(micros, 1e6)
    if name == TIMESTAMP and (
        pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    ):
        return values.cast(pa.float64(), safe=False)  # beyond 2^53 only the order matters
    if pa.types.is_string(values.type) or pa.types.is_integer(values.type):
        return values.cast(pa.string())
    return pa.array(map(as_text, values.to_pylist()), pa.string())


def _to_table(rows: list[Row], columns: tuple[str, ...]) -> pa.Table:
    return pa.table(
        {
            name: pa.array([_storable(row.get(name)) for row in rows], pa.string())
            for name in (*columns, PROBLEM, RAW)
        }
    )


def _storable(value: object) -> str | None:
    """As text that Arrow can hold: JSON may escape half a surrogate pair, which UTF-8 can't."""
    text = as_text(value)
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _problem_row(problem: str, raw: str) -> Row:
    return {PROBLEM: problem, RAW: raw[:RAW_LIMIT]}


def _broken_row(error: Exception) -> Row:
    return _problem_row(f"{UNREADABLE}: {error}", "")


def _number_rows(table: pa.Table, file: RawFile, first: int) -> pa.Table:
    numbers = pa.array(range(first, first + len(table)), pa.int64())
    names = pa.array([file.path] * len(table), pa.string())
    return table.append_column(FILE, names).append_column(ROW, numbers)
