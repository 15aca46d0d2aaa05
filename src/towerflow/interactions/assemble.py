"""From checked rows to the tables of a Dataset: the catalogue, then shard by shard the events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.beam_runner import BeamRunner, join, over_shards
from towerflow.ingest.check import Checked, rejected_rows
from towerflow.interactions.arrange import COUNT, Rules, add_counts, count_lengths
from towerflow.interactions.catalogue import CatalogueScope, write_catalogue
from towerflow.interactions.core import items_of_core
from towerflow.interactions.filters import BoolArray, Filters, longest_kept
from towerflow.interactions.finish import KEPT, finish_shard, finished
from towerflow.interactions.splits import SplitConfig, SplitKind
from towerflow.interactions.times import add_times, count_times, time_bounds
from towerflow.storage.filesystems import read_parquet

REPEATED_ITEM: Final = "repeated item_id"
ROWS_PER_GROUP: Final = 1_000_000


@dataclass(frozen=True)
class Assembled:
    """What a Dataset is written from.

    Attributes:
        items: `ITEMS_SCHEMA` with the columns to slice by.
        shards: paths of finished shards, in order.
        counts: rows by what became of them.
    """

    items: pa.Table
    shards: list[str]
    counts: dict[str, int]


def unique_items(accepted: pa.Table) -> Checked:
    """Items in order of item_id, each once: of repeats the one that says most.

    Args:
        accepted: `CHECKED_ITEMS`, with columns to slice by or without.
    """
    slices = schema.slices_of(accepted.column_names)
    keyed = accepted.append_column("length", pc.negate(pc.utf8_length(accepted[schema.TEXT])))
    says = (schema.ITEM_ID, "length", schema.TEXT, schema.TITLE, *slices)
    names = (*says, schema.FILE, schema.ROW)
    ordered = keyed.sort_by([(name, "ascending") for name in names]).drop(["length"])
    if not len(ordered):
        return Checked(ordered, schema.REJECTED_SCHEMA.empty_table())
    ids = ordered[schema.ITEM_ID].combine_chunks()
    first = pa.concat_arrays([pa.array([True]), pc.not_equal(ids[1:], ids[:-1])])
    repeated = ordered.filter(pc.invert(first))
    reasons = pa.array([REPEATED_ITEM] * len(repeated), pa.string())
    return Checked(ordered.filter(first), rejected_rows(repeated, reasons))


def assemble(
    runner: BeamRunner,
    items: pa.Table,
    shards: Sequence[str],
    filters: Filters,
    split: SplitConfig,
    scope: CatalogueScope,
    workspace: str,
) -> Assembled:
    """Apply what needs to know all of the data, then finish each shard.

    Args:
        runner: where Beam runs.
        items: unique checked items, in order of item_id.
        shards: paths of arranged shards, at least one.
        filters: what is left out.
        split: who may judge.
        scope: which items stay.
        workspace: folder that all workers share.

    Raises:
        InputError: nothing is left, or nothing to train on or to test on.
    """
    rules = _resolve(runner, filters, shards, workspace)
    alive, kept = _live_items(runner, shards, rules, filters, scope, len(items), workspace)
    known = join(workspace, "catalogue.parquet")
    write_catalogue(known, items[schema.ITEM_ID].combine_chunks(), alive, kept)
    bounds = (0.0, 0.0)
    if split.kind is SplitKind.GLOBAL_TIME:
        times = over_shards(
            runner,
            shards,
            partial(count_times, rules=rules, catalogue=known),
            add_times,
            join(workspace, "times.parquet"),
        )
        bounds = time_bounds(times, split.share) if len(times) else bounds
    counts = over_shards(
        runner,
        shards,
        partial(finish_shard, rules=rules, catalogue=known, split=split, bounds=bounds),
        add_counts,
        join(workspace, "counts.parquet"),
    ).to_pylist()[0]
    if not counts[KEPT]:
        least = f"at least {filters.min_user_interactions} interactions"
        raise InputError(
            "interactions",
            field=schema.USER_ID,
            expected=f"users with {least} with different items"
            + (
                f" of at least {filters.min_item_interactions}"
                * (filters.min_item_interactions > 1)
            ),
            found="none",
        )
    return Assembled(
        _index(items.filter(pa.array(kept))), [finished(path) for path in shards], counts
    )


def write_interactions(shards: Sequence[str], path: Path, columns: Sequence[str]) -> int:
    """Write finished shards as one file, in row groups that do not depend on them.

    Args:
        shards: paths of finished shards, in order.
        path: of the file.
        columns: that were read; of these the shards have the ones to slice by.

    Returns:
        How many users there are.
    """
    num_users = 0
    written = schema.with_slices(schema.INTERACTIONS_SCHEMA, columns)

    def numbered() -> Iterator[pa.Table]:
        nonlocal num_users
        for shard in shards:
            table = read_parquet(shard)
            if len(table):
                local = table[schema.USER_INDEX].to_numpy()
                column = pa.array(local + num_users)
                yield table.set_column(0, written.field(0), column)
                num_users += int(local[-1]) + 1

    with pq.ParquetWriter(path, written, compression="zstd") as writer:
        for group in _regroup(written.empty_table(), numbered(), ROWS_PER_GROUP):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
    return num_users


def _regroup(held: pa.Table, tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The rows of `held` and of `tables` in tables of exactly `rows`, the last one shorter."""
    for table in tables:
        held = pa.concat_tables([held, table])
        while len(held) >= rows:
            yield held.slice(0, rows).combine_chunks()
            held = held.slice(rows)
    if len(held):
        yield held.combine_chunks()


def _resolve(runner: BeamRunner, filters: Filters, shards: Sequence[str], workspace: str) -> Rules:
    longest = None
    if filters.bot_quantile < 1:
        result = join(workspace, "lengths.parquet")
        lengths = over_shards(runner, shards, count_lengths, add_counts, result)
        longest = longest_kept(lengths[COUNT].to_numpy(), filters.bot_quantile)
    return Rules(longest, filters.max_history, filters.min_user_interactions)


def _live_items(
    runner: BeamRunner,
    shards: Sequence[str],
    rules: Rules,
    filters: Filters,
    scope: CatalogueScope,
    num_items: int,
    workspace: str,
) -> tuple[BoolArray, BoolArray]:
    """`[num_items]` whose events are kept, and which stay in the catalogue."""
    everything = np.ones(num_items, dtype=bool)
    if filters.min_item_interactions == 1 and scope is CatalogueScope.ALL:
        return everything, everything
    least = filters.min_item_interactions
    alive: BoolArray = items_of_core(runner, shards, rules, num_items, least, workspace) > 0
    return alive, alive if scope is CatalogueScope.INTERACTED else everything


def _index(items: pa.Table) -> pa.Table:
    """`ITEMS_SCHEMA` with the columns to slice by, of items in order."""
    index = pa.array(np.arange(len(items)), pa.int64())
    indexed = schema.with_slices(schema.ITEMS_SCHEMA, items.column_names)
    return pa.table([index, *(items[name] for name in indexed.names[1:])], schema=indexed)
