"""Read a raw file as Arrow tables, a batch of rows at a time, whatever its format.

Every table has `file`, `row`, the wanted columns as strings (timestamp and rating may be numbers),
and `problem` with `raw` for rows that could not be parsed. Nothing raises: a file that breaks off
yields a row whose problem starts with UNREADABLE.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from towerflow.errors import InputError
from towerflow.ingest.files import RawFile
from towerflow.ingest.lines import line_blocks
from towerflow.ingest.read_delimited import csv_tables, delimited_tables, header
from towerflow.ingest.read_json import (
    SAMPLED_LINES,
    json_tables,
    parse_json,
    parse_python,
    python_tables,
)
from towerflow.ingest.values import (
    UNREADABLE,
    Problem,
    as_column,
    join_columns,
    rows_to_table,
    without_problems,
)
from towerflow.schema import FILE, ROW

PARQUET_ROWS_AT_ONCE: Final = 50_000
READ_ERRORS: Final = (OSError, EOFError, zlib.error, pa.ArrowException)
_TEXT_READERS: Final = {
    "jsonl": json_tables,
    "python": python_tables,
    "csv": csv_tables,
    "delimited": delimited_tables,
}


def read_tables(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """Yield the rows of `file` in order, counted from 1; columns that it lacks are null."""
    next_row = 1
    try:
        for table in _read(file, columns):
            yield _number_rows(table, file, next_row)
            next_row += len(table)
    except READ_ERRORS as error:
        broken = rows_to_table([Problem(f"{UNREADABLE}: {error}", "")], columns)
        yield _number_rows(broken, file, next_row)


def fit_columns(file: RawFile, required: tuple[str, ...], any_of: tuple[str, ...]) -> RawFile:
    """Look up the header of `file`, and return the file with it and the mapping that fits.

    A file that lacks a mapped name but has ours is read by ours, so that items and interactions
    may call the same thing differently. JSON Lines have no header; their first rows stand for it.

    Raises:
        InputError: a column is missing, or the header can't be read.
    """
    found = column_names(file)
    has = partial(_has, found, objects=file.format not in ("csv", "delimited"))
    columns = dict(file.layout.columns)
    for name in (*required, *any_of):
        if name in found and not any(map(has, file.layout.sources(name))):
            columns.pop(name)
    fitted = replace(file, layout=replace(file.layout, columns=columns), header=tuple(found))
    shown = f"columns {', '.join(found)}" if found else "no columns"
    for name in required:
        for source in fitted.layout.sources(name):
            if not has(source):
                raise InputError(
                    file.path,
                    field=name,
                    expected=f"a column {source}",
                    found=shown,
                    hint=f"map yours with --column {name}=…",
                )
    optional = [source for name in any_of for source in fitted.layout.sources(name)]
    if any_of and not file.layout.flags and not any(map(has, optional)):
        names = ", ".join(optional)
        raise InputError(file.path, expected=f"at least one of the columns {names}", found=shown)
    return fitted


def has_source(file: RawFile, source: str) -> bool:
    """Whether `file`, whose header is known, has `source`, perhaps inside an object."""
    return _has(file.header, source, objects=file.format not in ("csv", "delimited"))


def _has(found: Sequence[str], source: str, *, objects: bool = True) -> bool:
    """Whether a file with the columns `found` has `source`, perhaps inside an object."""
    return source in found or (objects and source.split(".")[0] in found)


def column_names(file: RawFile) -> list[str]:
    """Names of the columns of `file`, as it has them.

    Raises:
        InputError: the file is not what its ending says.
    """
    try:
        if file.format == "parquet":
            with file.open_parquet() as parquet:
                return list(parquet.schema_arrow.names)
        with file.open() as stream:
            if file.format in ("jsonl", "python"):
                return _keys(next(line_blocks(stream), b""), file)
            return header(stream, file.format, file.layout)
    except READ_ERRORS as error:
        raise InputError(file.path, expected=f"readable {file.format}", found=str(error)) from error


def _keys(block: bytes, file: RawFile) -> list[str]:
    """Keys of the first objects of a file; later ones may lack some of them."""
    parse = parse_json if file.format == "jsonl" else parse_python
    lines = block.decode(file.layout.encoding, "replace").split("\n", SAMPLED_LINES)
    keys: dict[str, None] = {}
    for line in lines[:SAMPLED_LINES]:
        row = parse(line)
        keys.update(dict.fromkeys(row if isinstance(row, dict) else ()))
    if not keys:
        kind = "JSON object" if file.format == "jsonl" else "Python dict"
        shown = next((line.strip() for line in lines if line.strip()), "")[:60]
        raise InputError(file.path, expected=f"one {kind} a line", found=f"'{shown}'")
    return list(keys)


def _read(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    if file.format == "parquet":
        yield from _parquet_tables(file, columns)
    else:
        with file.open() as stream:
            yield from _TEXT_READERS[file.format](stream, file.layout, columns)


def _parquet_tables(file: RawFile, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    with file.open_parquet() as parquet:
        present = parquet.schema_arrow.names
        wanted = {
            column: [name for name in file.layout.sources(column) if _has(present, name)]
            for column in columns
        }
        sources = {name for names in wanted.values() for name in names}
        batches = parquet.iter_batches(
            batch_size=PARQUET_ROWS_AT_ONCE,
            row_groups=list(range(*file.row_groups)),
            columns=sorted({name if name in present else name.split(".")[0] for name in sources}),
            use_threads=False,
        )
        for batch in batches:
            yield without_problems(
                {column: _pick(batch, column, names) for column, names in wanted.items()}
            )


def _pick(batch: pa.RecordBatch, column: str, sources: list[str]) -> pa.Array:
    if not sources:
        return pa.nulls(len(batch), pa.string())
    parts = [_look_up(batch, source) for source in sources]
    return as_column(column, parts[0]) if len(parts) == 1 else join_columns(parts)


def _look_up(batch: pa.RecordBatch, source: str) -> pa.Array:
    """A column, or what lies inside a struct; null where there is no such thing."""
    if source in batch.schema.names:
        return batch.column(source)
    outer, *inner = source.split(".")
    values = batch.column(outer)
    for name in inner:
        if not pa.types.is_struct(values.type) or values.type.get_field_index(name) < 0:
            return pa.nulls(len(batch), pa.string())
        values = pc.struct_field(values, name)
    return values


def _number_rows(table: pa.Table, file: RawFile, first: int) -> pa.Table:
    numbers = pa.array(np.arange(first, first + len(table)))
    names = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(len(table), dtype=np.int32)), pa.array([file.name])
    )
    return table.append_column(FILE, names).append_column(ROW, numbers)
