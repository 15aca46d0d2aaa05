"""The last pass over a shard: filter, index, split, write."""

from typing import Final

import numpy as np
import pyarrow as pa

from towerflow import schema
from towerflow.interactions.arrange import TIE, Rules, events_of, select
from towerflow.interactions.catalogue import read_catalogue
from towerflow.interactions.hashing import UnsignedArray
from towerflow.interactions.histories import IntArray
from towerflow.interactions.splits import (
    LABELS,
    LabelArray,
    SplitConfig,
    SplitKind,
    global_time,
    keep_few,
    label_items,
    new_items,
    random_leave_one_out,
    temporal_leave_one_out,
)
from towerflow.storage.filesystems import read_parquet, write_parquet

DROPS: Final = (
    "dropped_bots",
    "dropped_old",
    "dropped_rare_items",
    "dropped_small_users",
    "dropped_few_shot",
)
KEPT: Final = "interactions"


def label(
    events: pa.Table,
    user: IntArray,
    item: IntArray,
    item_hash: UnsignedArray,
    split: SplitConfig,
    bounds: tuple[float, float],
) -> LabelArray:
    """The split of each event that is kept."""
    if split.kind is SplitKind.TEMPORAL:
        return temporal_leave_one_out(user)
    if split.kind is SplitKind.RANDOM:
        return random_leave_one_out(user, events[TIE].to_numpy(), split.seed)
    if split.kind is SplitKind.GLOBAL_TIME:
        return global_time(events[schema.TIMESTAMP].to_numpy(), *bounds)
    return new_items(item, label_items(item_hash, split.share, split.seed))


def finish_shard(
    path: str, rules: Rules, catalogue: str, split: SplitConfig, bounds: tuple[float, float]
) -> pa.Table:
    """Filter, index and split a shard; write it beside the raw one; return what was counted."""
    known = read_catalogue(catalogue)
    whole = read_parquet(path)
    events = events_of(whole)
    kept, dropped = select(events, rules, known.alive)
    table = whole.take(pa.array(kept))
    user, item = events.user[kept], events.item[kept]
    labels = label(table, user, item, known.item_hash, split, bounds)
    keep = keep_few(user, labels, table[TIE].to_numpy(), split.few_shot, split.seed)
    dropped.append(int((~keep).sum()))
    users = np.unique(user[keep], return_inverse=True)[1]
    slices = schema.slices_of(table.column_names)
    final = pa.table(
        {
            schema.USER_INDEX: users.astype(np.int64),  # within the shard
            schema.USER_ID: table[schema.USER_ID].filter(pa.array(keep)).cast(pa.string()),
            schema.ITEM_INDEX: known.position[item[keep]],
            schema.TIMESTAMP: table[schema.TIMESTAMP].filter(pa.array(keep)),
            schema.SPLIT: pa.array(LABELS).take(pa.array(labels[keep])),
            **{name: table[name].filter(pa.array(keep)) for name in slices},
        }
    ).cast(schema.with_slices(schema.INTERACTIONS_SCHEMA, slices))
    write_parquet(finished(path), final)
    counts = dict(zip(DROPS, dropped, strict=True)) | {KEPT: len(final)}
    counts |= {name: int((labels[keep] == number).sum()) for number, name in enumerate(LABELS)}
    return pa.table({name: [count] for name, count in counts.items()})


def finished(path: str) -> str:
    """Where `finish_shard` writes the shard at `path`."""
    folder, name = path.rsplit("shard-", 1)
    return f"{folder}finished-{name}"
