"""All of `preprocess` between its sources and its artifacts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.beam_runner import BeamRunner, join
from towerflow.ingest.check import UNKNOWN_ITEM, KnownItems
from towerflow.ingest.files import RawFile, find_files
from towerflow.ingest.layout import Layout
from towerflow.ingest.pipeline import (
    CheckInteractions,
    Ingested,
    ingest_interactions,
    ingest_items,
    write_known_items,
)
from towerflow.ingest.presets import Preset
from towerflow.ingest.read import fit_columns
from towerflow.ingest.slices import fit_slices
from towerflow.ingest.values import UNREADABLE
from towerflow.interactions.arrange import arrange
from towerflow.interactions.assemble import Assembled, assemble, unique_items
from towerflow.interactions.catalogue import CatalogueScope
from towerflow.interactions.filters import Filters
from towerflow.interactions.splits import SplitConfig
from towerflow.text.template import Segment

SHARD_BYTES: Final = 16_000_000  # of raw interactions for a shard of users
MAX_SHARDS: Final = 1024


@dataclass(frozen=True)
class Plan:
    """What is to be done with the raw data, checked; `steps.preprocess` says what each means."""

    layouts: Preset
    segments: list[Segment]
    filters: Filters
    split: SplitConfig
    scope: CatalogueScope
    max_rejected_share: float
    refuse_unknown: bool
    slice_columns: tuple[str, ...]
    runner: BeamRunner


class Found(NamedTuple):
    """The files of a source, which of our columns are read from them, and all that they have."""

    source: str
    files: list[RawFile]
    columns: tuple[str, ...]
    names: frozenset[str]


@dataclass(frozen=True)
class Prepared:
    """What the artifacts are written from.

    Attributes:
        items: `ITEMS_SCHEMA` with the columns to slice by.
        shards: paths in the workspace of the finished interactions, in order.
        rejected: `REJECTED_SCHEMA`.
        counts: rows of both sources by what became of them.
    """

    items: pa.Table
    shards: list[str]
    rejected: pa.Table
    counts: dict[str, int]


def check_mapping(mapping: Mapping[str, tuple[str, ...]], *sources: Found) -> None:
    """Each name that the user maps must be in some file: else a slip of the pen goes unseen.

    Raises:
        InputError: a name is nowhere.
    """
    names = frozenset[str]().union(*(source.names for source in sources))
    for ours, theirs in mapping.items():
        for name in theirs:
            if name not in names and name.split(".")[0] not in names:
                raise InputError(
                    "column",
                    field=f"{ours}={'+'.join(theirs)}",
                    expected=f"a file with a column {name}",
                    found=f"columns {', '.join(sorted(names))}",
                )


def check_slices(names: Sequence[str], *sources: Found) -> None:
    """Each column to slice by must be in some file.

    Raises:
        InputError: one is nowhere.
    """
    carried = {column for source in sources for column in source.columns}
    for name in names:
        if schema.SLICE_PREFIX + name not in carried:
            there = sorted(frozenset[str]().union(*(source.names for source in sources)))
            raise InputError(
                "slice_column",
                field=name,
                expected="a column of the items or the interactions files",
                found=f"columns {', '.join(there)}",
            )


def prepare(
    items: Found, interactions: Found, plan: Plan, workspace: str, tell: Callable[[str], None]
) -> Prepared:
    """Read, check, clean, filter, index and split.

    Args:
        items: of `find_items`.
        interactions: of `find_interactions`.
        plan: what to do with them.
        workspace: folder that all workers share.
        tell: hears a line when a part is done.

    Raises:
        InputError: the sources cannot give a Dataset.
    """
    started = time.monotonic()
    checked, read_items = ingest_items(
        plan.runner, items.files, items.columns, plan.segments, workspace
    )
    unique = unique_items(checked)
    refused_items = pa.concat_tables([read_items.rejected, unique.rejected])
    _refuse_rejects(items.source, refused_items, read_items.rows_read, plan.max_rejected_share)
    tell(_rate("items", read_items.rows_read, started))

    known = join(workspace, "known.parquet")
    item_ids = unique.accepted[schema.ITEM_ID].combine_chunks()
    refused_ids = refused_items[schema.ITEM_ID].combine_chunks().drop_null()
    write_known_items(known, KnownItems(item_ids, refused_ids))
    num_shards = num_user_shards(sum(file.size for file in interactions.files))
    started = time.monotonic()
    shards, events = ingest_interactions(
        plan.runner,
        interactions.files,
        interactions.columns,
        CheckInteractions(known, plan.filters.min_rating, num_shards),
        partial(arrange, repeats=plan.filters.repeats),
        workspace,
    )
    if plan.refuse_unknown:
        _refuse_unknown(interactions.source, events)
    _refuse_rejects(interactions.source, events.rejected, events.rows_read, plan.max_rejected_share)
    if not shards:
        raise InputError(
            interactions.source,
            field=schema.RATING,
            expected=f"a rating of {plan.filters.min_rating:g} or more",
            found="none",
        )
    tell(_rate("interactions", events.rows_read, started))
    started = time.monotonic()
    assembled = assemble(
        plan.runner,
        unique.accepted,
        shards,
        plan.filters,
        plan.split,
        plan.scope,
        workspace,
    )
    tell(f"filtered and split in {time.monotonic() - started:.0f} s")
    return Prepared(
        items=assembled.items,
        shards=assembled.shards,
        rejected=pa.concat_tables([refused_items, events.rejected]),
        counts=_count(read_items, len(refused_items), events, assembled),
    )


def _rate(what: str, rows: int, started: float) -> str:
    seconds = time.monotonic() - started
    return f"read {rows:,} {what} in {seconds:.0f} s, {rows / seconds:,.0f} a second"


def num_user_shards(raw_bytes: int) -> int:
    """A power of two, so that a shard of users is small whatever all of them weigh."""
    wanted = max(1, min(MAX_SHARDS, raw_bytes // SHARD_BYTES))
    return 1 << (wanted - 1).bit_length()


def count_reasons(rejected: pa.Table) -> dict[str, int]:
    """Rejected rows by reason, the most frequent first."""
    counted = pc.value_counts(rejected[schema.REASON]).to_pylist()
    ordered = sorted(counted, key=lambda entry: (-entry["counts"], entry["values"]))
    return {entry["values"]: entry["counts"] for entry in ordered}


def find_items(
    source: str,
    layouts: tuple[Layout, ...],
    segments: Sequence[Segment],
    slice_columns: Sequence[str],
) -> Found:
    """The files of items, checked as far as their first rows.

    Raises:
        InputError: there are none, or they lack a column.
    """
    names = [schema.TITLE, *(segment.field for segment in segments)]
    texts = tuple(dict.fromkeys(names))
    return _find(source, layouts, (schema.ITEM_ID,), texts, slice_columns)


def find_interactions(source: str, plan: Plan) -> Found:
    """The files of interactions, checked as far as their first rows.

    Raises:
        InputError: there are none, or they lack a column.
    """
    columns = [schema.USER_ID, schema.ITEM_ID, schema.TIMESTAMP]
    if plan.filters.min_rating is not None:
        columns.append(schema.RATING)
    return _find(source, plan.layouts.interactions, tuple(columns), (), plan.slice_columns)


def _find(
    source: str,
    layouts: tuple[Layout, ...],
    required: tuple[str, ...],
    any_of: tuple[str, ...],
    slice_columns: Sequence[str],
) -> Found:
    files = [fit_columns(file, required, any_of) for file in find_files(source, layouts)]
    files, slices = fit_slices(files, slice_columns)
    names = frozenset(name for file in files for name in file.header)
    return Found(source, files, (*required, *any_of, *slices), names)


def _refuse_rejects(source: str, rejected: pa.Table, rows_read: int, max_share: float) -> None:
    """Stop on no rows, on a file that broke off, and on too many rows that can't be used."""
    if not rows_read:
        raise InputError(source, expected="at least one row", found="none")
    broken = rejected.filter(pc.starts_with(rejected[schema.REASON], UNREADABLE))
    for row in broken.slice(0, 1).to_pylist():
        raise InputError(
            row[schema.FILE],
            field=f"row {row[schema.ROW]}",
            expected="a whole file",
            found=row[schema.REASON],
        )
    share = len(rejected) / rows_read
    if share > max_share or len(rejected) == rows_read:
        reasons = ", ".join(
            f"{number:,} × {why}" for why, number in count_reasons(rejected).items()
        )
        first = rejected.slice(0, 1).to_pylist()[0]
        raise InputError(
            source,
            expected=f"at most {max_share:.1%} of rows rejected",
            found=f"{share:.1%} ({reasons}), the first in {first[schema.FILE]} at row "
            f"{first[schema.ROW]}",
            hint="mend the rows or raise max_rejected_share",
        )


def _refuse_unknown(source: str, events: Ingested) -> None:
    unknown = events.rejected.filter(pc.equal(events.rejected[schema.REASON], UNKNOWN_ITEM))
    if len(unknown):
        first = unknown.slice(0, 1).to_pylist()[0]
        raise InputError(
            source,
            field=schema.ITEM_ID,
            expected="only items that the items file has",
            found=f"{len(unknown):,} of {events.rows_read:,} interactions with others, the first "
            f"'{first[schema.ITEM_ID]}' in {first[schema.FILE]} at row {first[schema.ROW]}",
            hint="set unknown_items to reject to leave such rows out",
        )


def _count(
    items: Ingested, num_refused_items: int, events: Ingested, assembled: Assembled
) -> dict[str, int]:
    """Every row that was read, by what became of it; they must balance."""
    counts = {
        "item_rows_read": items.rows_read,
        "rejected_items": num_refused_items,
        "dropped_items": items.rows_read - num_refused_items - len(assembled.items),
        "interaction_rows_read": events.rows_read,
        "rejected_interactions": len(events.rejected),
        **events.dropped,
        **assembled.counts,
    }
    dropped = sum(number for name, number in counts.items() if name.startswith("dropped"))
    out = len(events.rejected) + dropped - counts["dropped_items"] + counts["interactions"]
    assert events.rows_read == out, f"{events.rows_read} interactions came in, {out} went out"
    return counts
