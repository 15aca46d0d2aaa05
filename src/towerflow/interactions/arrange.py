"""The work on one shard of users: order it, choose what is kept, index it and split it.

A shard is a Parquet file in the workspace; workers know it by its path.
"""

import itertools
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from towerflow import schema
from towerflow.interactions.filters import (
    BoolArray,
    Repeats,
    active_users,
    recent,
    short_histories,
    without_repeats,
)
from towerflow.interactions.hashing import hash_ids
from towerflow.interactions.histories import IntArray
from towerflow.storage.filesystems import read_parquet

TIE: Final = "tie"
USER: Final = "user"  # code within the shard, in order of the users' hash
COUNT: Final = "count"


@dataclass(frozen=True)
class Rules:
    """The filters after all that they need to know of the whole data is known.

    Attributes:
        longest_history: users with more events are bots; None: nobody is.
        max_history: most recent events of a user that are kept; 0: all.
        min_user_interactions: users with fewer are left out.
    """

    longest_history: int | None
    max_history: int
    min_user_interactions: int


class Events(NamedTuple):
    """Parallel arrays `[num_events]` of a shard, sorted by user, time and tie-break."""

    user: IntArray
    item: IntArray


def arrange(table: pa.Table, repeats: Repeats) -> pa.Table:
    """All events of a shard's users, in any order, sorted and without repeats.

    Columns to slice by come along. They are what else may tell apart a user's events with one item
    at one time, so they come last in the order: it must not depend on how the events arrived.
    """
    slices = schema.slices_of(table.column_names)
    coded = table[schema.USER_ID].combine_chunks().dictionary_encode()
    ids = coded.dictionary
    alphabetical = pc.sort_indices(ids).to_numpy()
    by_hash = alphabetical[np.argsort(hash_ids(ids)[alphabetical], kind="stable")]
    code_of = np.empty(len(ids), dtype=np.int32)
    code_of[by_hash] = np.arange(len(ids), dtype=np.int32)
    user = code_of[coded.indices.to_numpy()]
    item = table[schema.ITEM_INDEX].to_numpy()
    ranks = [pc.rank(table[name], tiebreaker="dense").to_numpy() for name in reversed(slices)]
    order = np.lexsort((*ranks, table[TIE].to_numpy(), table[schema.TIMESTAMP].to_numpy(), user))
    order = order[without_repeats(user[order].astype(np.int64), item[order], repeats)]
    return pa.table(
        {
            USER: pa.array(user[order]),
            schema.USER_ID: pa.DictionaryArray.from_arrays(
                pa.array(user[order]), ids.take(pa.array(by_hash))
            ),
            **{
                name: table[name].combine_chunks().take(pa.array(order))
                for name in (schema.ITEM_INDEX, schema.TIMESTAMP, TIE, *slices)
            },
        }
    )


def read_events(path: str) -> Events:
    """Who did what in a shard that `arrange` made."""
    return events_of(read_parquet(path, [USER, schema.ITEM_INDEX]))


def events_of(table: pa.Table) -> Events:
    """Who did what in the rows of such a shard."""
    return Events(
        table[USER].to_numpy().astype(np.int64),
        table[schema.ITEM_INDEX].to_numpy().astype(np.int64),
    )


def select(events: Events, rules: Rules, alive: BoolArray | None) -> tuple[IntArray, list[int]]:
    """Positions of the events that are kept, and how many each filter took away.

    Args:
        events: of a shard.
        rules: the filters.
        alive: `[num_items]` items with enough interactions; None: all have.
    """
    user, item = events
    kept = np.arange(len(user))
    if rules.longest_history is not None:
        kept = kept[short_histories(user, rules.longest_history)]
    without_bots = len(kept)
    kept = kept[recent(user[kept], rules.max_history)]
    without_old = len(kept)
    if alive is not None:
        kept = kept[alive[item[kept]]]
    without_rare = len(kept)
    kept = kept[active_users(user[kept], rules.min_user_interactions)]
    left = [len(user), without_bots, without_old, without_rare, len(kept)]
    return kept, [before - after for before, after in itertools.pairwise(left)]


def count_lengths(path: str) -> pa.Table:
    """How many users of a shard have a history of each length."""
    lengths = np.bincount(np.bincount(read_events(path).user))
    return pa.table({COUNT: lengths})


def count_items(path: str, rules: Rules, alive: BoolArray | None, num_items: int) -> IntArray:
    """`[num_items]` how many kept events of a shard each item has."""
    events = read_events(path)
    kept, _ = select(events, rules, alive)
    counts: IntArray = np.bincount(events.item[kept], minlength=num_items)
    return counts


def add_counts(one: pa.Table, other: pa.Table) -> pa.Table:
    """Two columns of counts, element by element; the shorter one goes on with zeros."""
    columns = {}
    for name in one.column_names:
        first, second = one[name].to_numpy(), other[name].to_numpy()
        total = np.zeros(max(len(first), len(second)), dtype=np.int64)
        total[: len(first)] += first
        total[: len(second)] += second
        columns[name] = total
    return pa.table(columns)
