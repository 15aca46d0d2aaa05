"""Item vectors as other services read them: Parquet, and Vertex AI Vector Search."""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.retrieval.rows_file import Floats
from towerflow.schema import ITEM_ID

VECTOR: Final = "vector"
PARQUET_FILE: Final = "exports/item_vectors.parquet"
VERTEX_FOLDER: Final = "exports/vertex"  # a folder, as its contentsDeltaUri has to be
ITEMS_AT_ONCE: Final = 100_000
NUMBERS_AT_ONCE: Final = 2**26  # as text they have to stay below 2 GB

Columns = Mapping[str, Sequence[str | None]]


class ExportFormat(StrEnum):
    """What is written beside the index."""

    PARQUET = "parquet"
    VERTEX = "vertex"


def parse_formats(names: Sequence[str]) -> list[ExportFormat]:
    """The formats of those names.

    Raises:
        InputError: there is none of a name.
    """
    for name in names:
        if name not in list(ExportFormat):
            raise InputError("export_formats", expected=" or ".join(ExportFormat), found=name)
    return [ExportFormat(name) for name in names]


def write_export(
    form: ExportFormat, folder: Path, item_ids: Sequence[str], vectors: Floats, columns: Columns
) -> None:
    """Write the vectors below `folder`.

    Args:
        form: how.
        folder: of the Index.
        item_ids: `[num_items]`.
        vectors: `[num_items, dim]`, all finite.
        columns: by name, `[num_items]` values by which Vertex AI may filter; None: no value.
    """
    match form:
        case ExportFormat.PARQUET:
            write_parquet(folder / PARQUET_FILE, item_ids, vectors)
        case ExportFormat.VERTEX:
            write_vertex(folder / VERTEX_FOLDER, item_ids, vectors, columns)


def write_parquet(path: Path, item_ids: Sequence[str], vectors: Floats) -> None:
    """Write columns `item_id` and `vector`, a list of fixed size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = pa.schema([(ITEM_ID, pa.string()), (VECTOR, pa.list_(pa.float32(), vectors.shape[1]))])
    with pq.ParquetWriter(path, form, compression="zstd") as writer:
        for rows in _blocks(*vectors.shape):
            lists = pa.FixedSizeListArray.from_arrays(
                pa.array(np.ravel(vectors[rows])), vectors.shape[1]
            )
            writer.write_table(pa.table([pa.array(item_ids[rows], pa.string()), lists], form))


def write_vertex(folder: Path, item_ids: Sequence[str], vectors: Floats, columns: Columns) -> None:
    """Write JSON lines of `id`, `embedding` and `restricts`, as Vector Search imports them.

    Format: "Input data format and structure" of Vertex AI Vector Search, files `*.json`.
    """
    folder.mkdir(parents=True)
    for number, rows in enumerate(_blocks(*vectors.shape)):
        numbers = pc.cast(pa.array(np.ravel(vectors[rows])), pa.string())
        ends = np.arange(len(item_ids[rows]) + 1) * vectors.shape[1]
        lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), numbers)
        embeddings = pc.binary_join(lists, ",").to_pylist()
        with (folder / f"items-{number:05}.json").open("w", encoding="utf-8") as file:
            for item_id, embedding, restricts in zip(
                item_ids[rows], embeddings, _restricts(columns, rows, len(embeddings)), strict=True
            ):
                file.write(f'{{"id":{json.dumps(item_id)},"embedding":[{embedding}]{restricts}}}\n')


def _restricts(columns: Columns, rows: slice, num_rows: int) -> Iterator[str]:
    """What follows the embedding of each item."""
    if not columns:
        yield from [""] * num_rows
        return
    names = list(columns)
    for values in zip(*(columns[name][rows] for name in names), strict=True):
        named = [
            {"namespace": name, "allow": [value]}
            for name, value in zip(names, values, strict=True)
            if value is not None
        ]
        yield f',"restricts":{json.dumps(named)}' if named else ""


def _blocks(num_rows: int, dim: int) -> Iterator[slice]:
    at_once = max(1, min(ITEMS_AT_ONCE, NUMBERS_AT_ONCE // dim))
    return (slice(start, start + at_once) for start in range(0, num_rows, at_once))
