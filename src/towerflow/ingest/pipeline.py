"""The Beam pipelines around reading and checking: files in, clean items and user shards out.

Elements are Arrow tables, not rows: row-at-a-time Beam costs several times the work itself.
Interactions are keyed by a hash of the user, so that no worker ever holds all users.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from towerflow.ingest.beam_runner import BeamRunner, join
from towerflow.ingest.check import (
    CHECKED_ITEMS,
    KnownItems,
    check_interactions,
    check_items,
)
from towerflow.ingest.files import RawFile, split_files
from towerflow.ingest.read import read_tables
from towerflow.interactions.arrange import TIE
from towerflow.interactions.hashing import UnsignedArray, hash_ids
from towerflow.interactions.splits import event_hash
from towerflow.schema import (
    FILE,
    ITEM_ID,
    ITEM_INDEX,
    REJECTED_SCHEMA,
    ROW,
    USER_ID,
    with_slices,
)
from towerflow.storage.filesystems import match_files, read_parquet, write_parquet
from towerflow.text.template import Segment

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
NUMBERS: Final = "numbers"
ROWS_OF: Final = "rows of "  # a piece of a file, by its name
LOW_RATED: Final = "dropped_low_rating"
REPEATS: Final = "dropped_repeats"


class Ingested(NamedTuple):
    """What came out of a source, but for what can be used.

    Attributes:
        rejected: `REJECTED_SCHEMA`, in order of file and row.
        rows_read: how many rows were read.
        dropped: how many of them were left out on purpose, by reason.
    """

    rejected: pa.Table
    rows_read: int
    dropped: dict[str, int]


class CheckItems(beam.DoFn):  # type: ignore[misc]
    """`check_items` with rejected rows and row counts as side outputs."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments = segments

    def process(self, element: pa.Table) -> Iterator[Any]:
        """Yield accepted rows, then the tagged rest."""
        checked = check_items(element, self.segments)
        yield checked.accepted
        yield from _aside(element, checked.rejected, 0)


class CheckInteractions(beam.DoFn):  # type: ignore[misc]
    """`check_interactions` with accepted rows keyed by user shard; the rest as side outputs."""

    def __init__(self, known_items: str, min_rating: float | None, num_shards: int) -> None:
        self.known_items = known_items
        self.min_rating = min_rating
        self.num_shards = num_shards
        self.known: KnownItems | None = None
        self.item_hash: UnsignedArray | None = None

    def setup(self) -> None:
        """Read the items once a worker."""
        self.known = read_known_items(self.known_items)
        self.item_hash = hash_ids(self.known.item_ids)

    def process(self, element: pa.Table) -> Iterator[Any]:
        """Yield (shard, accepted rows of its users), then the tagged rest."""
        assert self.known is not None
        assert self.item_hash is not None
        checked = check_interactions(element, self.known, self.min_rating)
        yield from key_by_user(checked.accepted, self.item_hash, self.num_shards)
        yield from _aside(element, checked.rejected, checked.low_rated)


def ingest_items(
    runner: BeamRunner,
    files: list[RawFile],
    columns: tuple[str, ...],
    segments: list[Segment],
    workspace: str,
) -> tuple[pa.Table, Ingested]:
    """Read, clean and check all items.

    The first of the two is `CHECKED_ITEMS` with the columns to slice by, in any order.
    """
    folder = join(workspace, "items")
    schema = with_slices(CHECKED_ITEMS, columns)
    pieces = split_files(files)
    with runner.pipeline() as pipeline:
        checked = _read(pipeline, pieces, columns) | "Check and clean" >> beam.ParDo(
            CheckItems(segments)
        ).with_outputs(REJECTED, NUMBERS, main=ACCEPTED)
        checked[ACCEPTED] | "Write the accepted" >> beam.io.WriteToParquetBatched(
            join(folder, ACCEPTED), schema, file_name_suffix=".parquet"
        )
        _write_rejected(checked[REJECTED], folder)
        _write_numbers(checked[NUMBERS], folder)
    places, ingested = _collect(folder, pieces)
    parts = [read_parquet(path).cast(schema) for path in _paths(folder, ACCEPTED)]
    return _locate(pa.concat_tables([schema.empty_table(), *parts]), places), ingested


def ingest_interactions(
    runner: BeamRunner,
    files: list[RawFile],
    columns: tuple[str, ...],
    check: CheckInteractions,
    arrange: Callable[[pa.Table], pa.Table],
    workspace: str,
) -> tuple[list[str], Ingested]:
    """Read and check all interactions, and bring each user's together.

    The first of the two are files of what `arrange` makes of all rows of a shard's users
    (`CHECKED_INTERACTIONS` with columns to slice by and a tie-break), in order of the shards; empty
    shards have none.
    """
    folder = join(workspace, "interactions")
    pieces = split_files(files)
    with runner.pipeline() as pipeline:
        checked = _read(pipeline, pieces, columns) | "Check and key by user" >> beam.ParDo(
            check
        ).with_outputs(REJECTED, NUMBERS, main=ACCEPTED)
        repeats = (
            checked[ACCEPTED]
            # Tells Beam what the side-outputs hide: tables, which have a coder of their own.
            | "Keyed tables" >> beam.Map(_same).with_output_types(tuple[int, pa.Table])
            | "Bring users together" >> beam.GroupByKey()
            | "Arrange a shard" >> beam.Map(partial(_write_shard, arrange=arrange, folder=folder))
        )
        _write_rejected(checked[REJECTED], folder)
        numbers = (checked[NUMBERS], repeats) | "All numbers" >> beam.Flatten()
        _write_numbers(numbers, folder)
    _, ingested = _collect(folder, pieces)
    return _paths(folder, "shard"), ingested


def key_by_user(
    table: pa.Table, item_hash: UnsignedArray, num_shards: int
) -> Iterator[tuple[int, pa.Table]]:
    """Rows, each with its tie-break, by the high bits of their user's hash.

    So users in order of their hash are in order of the shards, however many there are;
    `num_shards` is a power of two.
    """
    if not len(table):
        return
    user_hash = hash_ids(table[USER_ID].combine_chunks())
    ties = event_hash(user_hash, item_hash[table[ITEM_INDEX].to_numpy()])
    keyed = table.append_column(TIE, pa.array(ties))
    bits = num_shards.bit_length() - 1
    shards = user_hash >> np.uint64(64 - bits) if bits else np.zeros(len(table), dtype=np.uint64)
    order = np.argsort(shards, kind="stable")
    bounds = np.searchsorted(shards[order], np.arange(num_shards + 1, dtype=np.uint64))
    ordered = keyed.take(pa.array(order))
    for shard in np.flatnonzero(np.diff(bounds)):
        yield int(shard), ordered.slice(bounds[shard], bounds[shard + 1] - bounds[shard])


def write_known_items(path: str, known: KnownItems) -> None:
    """Write what the interactions' workers must know of the items."""
    ids = pa.concat_arrays([known.item_ids, known.rejected_ids])
    is_known = np.arange(len(ids)) < len(known.item_ids)
    write_parquet(path, pa.table({ITEM_ID: ids, "known": is_known}))


def read_known_items(path: str) -> KnownItems:
    """Read what `write_known_items` wrote."""
    table = read_parquet(path)
    ids, known = table[ITEM_ID].combine_chunks(), table["known"].combine_chunks()
    num_known = int(known.true_count)
    return KnownItems(ids.slice(0, num_known), ids.slice(num_known))


def _read(pipeline: beam.Pipeline, pieces: list[RawFile], columns: tuple[str, ...]) -> Any:
    return (
        pipeline
        | "List the files" >> beam.Create(pieces)
        | "Spread them over workers" >> beam.Reshuffle()
        | "Read Arrow tables"
        >> beam.FlatMap(read_tables, columns=columns).with_output_types(pa.Table)
    )


def _aside(read: pa.Table, rejected: pa.Table, low_rated: int) -> Iterator[Any]:
    if len(read):
        yield beam.pvalue.TaggedOutput(NUMBERS, (f"{ROWS_OF}{read[FILE][0].as_py()}", len(read)))
    yield beam.pvalue.TaggedOutput(NUMBERS, (LOW_RATED, low_rated))
    if len(rejected):
        yield beam.pvalue.TaggedOutput(REJECTED, rejected)


def _write_rejected(rejected: Any, folder: str) -> None:
    rejected | "Write the rejected" >> beam.io.WriteToParquetBatched(
        join(folder, REJECTED), REJECTED_SCHEMA, file_name_suffix=".parquet"
    )


def _write_numbers(numbers: Any, folder: str) -> None:
    (
        numbers
        | "Add the numbers up" >> beam.CombinePerKey(sum)
        | "Bring the sums together" >> beam.combiners.ToDict()
        | "Write the sums" >> beam.Map(_write_sums, path=join(folder, NUMBERS))
    )


def _write_sums(sums: dict[str, int], path: str) -> None:
    names, values = list(sums), list(sums.values())
    write_parquet(path, pa.table({"name": pa.array(names, pa.string()), "value": values}))


def _write_shard(
    keyed: tuple[int, Iterable[pa.Table]],
    arrange: Callable[[pa.Table], pa.Table],
    folder: str,
) -> tuple[str, int]:
    shard, tables = keyed
    table = pa.concat_tables(list(tables))
    arranged = arrange(table)
    write_parquet(join(folder, f"shard-{shard:05}.parquet"), arranged)
    return REPEATS, len(table) - len(arranged)


Places = dict[str, tuple[str, int]]  # piece of a file → the file, and how many rows come before


def _collect(folder: str, pieces: list[RawFile]) -> tuple[Places, Ingested]:
    sums = {row["name"]: row["value"] for row in read_parquet(join(folder, NUMBERS)).to_pylist()}
    places: Places = {}
    rows_of: Counter[str] = Counter()
    for piece in pieces:  # in order within their files
        places[piece.name] = piece.path, rows_of[piece.path]
        rows_of[piece.path] += sums.pop(f"{ROWS_OF}{piece.name}", 0)
    parts = [read_parquet(path).cast(REJECTED_SCHEMA) for path in _paths(folder, REJECTED)]
    rejected = _locate(pa.concat_tables([REJECTED_SCHEMA.empty_table(), *parts]), places)
    # Beam promises no order among its files, so it is restored.
    ordered = rejected.sort_by([(FILE, "ascending"), (ROW, "ascending")])
    return places, Ingested(ordered, rows_of.total(), sums)


def _locate(table: pa.Table, places: Places) -> pa.Table:
    """`table` with rows of pieces as rows of their files."""
    pieces = table[FILE].combine_chunks().dictionary_encode()
    files = pa.array([places[name][0] for name in pieces.dictionary.to_pylist()], pa.string())
    before = np.array([places[name][1] for name in pieces.dictionary.to_pylist()], dtype=np.int64)
    index = pieces.indices.to_numpy()
    rows = table[ROW].to_numpy() + before[index]
    columns = {FILE: files.take(pieces.indices), ROW: pa.array(rows, pa.int64())}
    arrays = [columns.get(name, table[name]) for name in table.column_names]
    return pa.table(arrays, schema=table.schema)


def _paths(folder: str, prefix: str) -> list[str]:
    return [file.path for file in match_files(folder) if file.name.startswith(prefix)]


def _same(element: Any) -> Any:
    return element
