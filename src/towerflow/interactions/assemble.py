"""Join checked items and interactions, index them, order them by time and split them."""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.check import Checked, reject
from towerflow.interactions.filters import active_users, first_occurrence
from towerflow.interactions.histories import IntArray
from towerflow.interactions.splits import pair_hash, temporal_leave_one_out, time_order

UNKNOWN_ITEM: Final = "unknown item"
ITEM_REJECTED: Final = "its item was rejected"


def catalogue(accepted: pa.Table, source: str) -> pa.Table:
    """Items in order of item_id, with their index.

    Args:
        accepted: `CHECKED_ITEMS`.
        source: what an error names.

    Returns:
        `ITEMS_SCHEMA`.

    Raises:
        InputError: an id stands twice.
    """
    ordered = accepted.sort_by(schema.ITEM_ID)
    ids = ordered[schema.ITEM_ID].to_pylist()
    twice = next((a for a, b in itertools.pairwise(ids) if a == b), None)
    if twice is not None:
        rows = accepted.filter(pc.equal(accepted[schema.ITEM_ID], twice)).to_pylist()
        places = [f"row {row[schema.ROW]} of {row[schema.FILE]}" for row in rows[:2]]
        raise InputError(
            source,
            field=schema.ITEM_ID,
            expected="each id once",
            found=f"'{twice}' {len(rows)} times, first in {' and '.join(places)}",
        )
    index = pa.array(np.arange(len(ordered)), pa.int64())
    columns = [index, *(ordered[name] for name in (schema.ITEM_ID, schema.TITLE, schema.TEXT))]
    return pa.table(columns, schema=schema.ITEMS_SCHEMA)


def join_items(
    events: Checked, items: Checked, catalogue: pa.Table, source: str, unknown_items: str
) -> Checked:
    """Keep the events whose item is in the catalogue; the others join the rejected.

    Args:
        events: checked interactions.
        items: checked items; events of a rejected item are rejected, never an error.
        catalogue: `ITEMS_SCHEMA`.
        source: what an error names.
        unknown_items: "error" or "reject", for events of items that were never there.

    Raises:
        InputError: there are unknown items and they are an error.
    """
    accepted = events.accepted
    in_catalogue = pc.is_in(accepted[schema.ITEM_ID], value_set=catalogue[schema.ITEM_ID])
    others = accepted.filter(pc.invert(in_catalogue))
    refused_ids = items.rejected[schema.ITEM_ID].drop_null()
    item_refused = pc.is_in(others[schema.ITEM_ID], value_set=refused_ids)
    unknown = others.filter(pc.invert(item_refused))
    if len(unknown) and unknown_items == "error":
        first = unknown.slice(0, 1).to_pylist()[0]
        raise InputError(
            source,
            field=schema.ITEM_ID,
            expected="only items that the items file has",
            found=f"{len(unknown):,} of {len(accepted):,} interactions with others, the first "
            f"'{first[schema.ITEM_ID]}' in {first[schema.FILE]} at row {first[schema.ROW]}",
            hint="set unknown_items to reject to leave such rows out",
        )
    rejected = [
        events.rejected,
        reject(unknown, UNKNOWN_ITEM),
        reject(others.filter(item_refused), ITEM_REJECTED),
    ]
    return Checked(accepted.filter(in_catalogue), pa.concat_tables(rejected))


def order_and_split(
    accepted: pa.Table, catalogue: pa.Table, source: str, min_interactions: int
) -> tuple[pa.Table, dict[str, int]]:
    """Index users and items, drop repeats and users with too little, order by time, split.

    Args:
        accepted: `CHECKED_INTERACTIONS`, each of an item in the catalogue.
        catalogue: `ITEMS_SCHEMA`.
        source: what an error names.
        min_interactions: users with fewer are dropped.

    Returns:
        `INTERACTIONS_SCHEMA`, and how many rows were dropped for which reason.

    Raises:
        InputError: nobody is left.
    """
    item_index = _integers(
        pc.index_in(accepted[schema.ITEM_ID], value_set=catalogue[schema.ITEM_ID])
    )
    user_ids, user_index = _index_users(accepted[schema.USER_ID].to_pylist())
    item_ids = catalogue[schema.ITEM_ID].to_pylist()
    timestamp = accepted[schema.TIMESTAMP].to_numpy()
    ties = pair_hash(user_ids, item_ids, user_index, item_index)
    order = time_order(user_index, timestamp, ties)
    order = order[first_occurrence(user_index[order], item_index[order])]
    repeats = len(accepted) - len(order)
    active = order[active_users(user_index[order], min_interactions)]
    if not len(active):
        raise InputError(
            source,
            field=schema.USER_ID,
            expected=f"users with at least {min_interactions} interactions with different items",
            found=f"none among {len(user_ids):,} users",
        )
    kept_ids = [user_ids[user] for user in user_index[active]]
    final_user = np.unique(user_index[active], return_inverse=True)[1].astype(np.int64)
    columns = [
        pa.array(final_user, pa.int64()),
        pa.array(kept_ids, pa.string()),
        pa.array(item_index[active], pa.int64()),
        pa.array(timestamp[active], pa.float64()),
        pa.array(temporal_leave_one_out(final_user), pa.string()),
    ]
    dropped = {"dropped_repeats": repeats, "dropped_small_users": len(order) - len(active)}
    return pa.table(columns, schema=schema.INTERACTIONS_SCHEMA), dropped


def _index_users(ids: Sequence[str]) -> tuple[list[str], IntArray]:
    """Distinct ids in order, and the position of each of `ids` among them."""
    distinct = sorted(set(ids))
    position = {name: index for index, name in enumerate(distinct)}
    return distinct, np.array([position[name] for name in ids], dtype=np.int64)


def _integers(values: pa.ChunkedArray) -> IntArray:
    return np.asarray(values.to_numpy(), dtype=np.int64)
