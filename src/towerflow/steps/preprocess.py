"""`preprocess`: raw items and interactions to a clean, indexed, split Dataset."""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.check import (
    CHECKED_INTERACTIONS,
    CHECKED_ITEMS,
    INTERACTION_COLUMNS,
    ITEM_COLUMNS,
    Checked,
    check_interactions,
    check_items,
    reject,
)
from towerflow.ingest.files import find_files, require_columns
from towerflow.ingest.pipeline import Check, read_and_check
from towerflow.ingest.read import UNREADABLE
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE
from towerflow.interactions.filters import active_users, first_occurrence
from towerflow.interactions.histories import IntArray
from towerflow.interactions.splits import pair_hash, temporal_leave_one_out, time_order
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact

STEP: Final = "preprocess"
REJECTED_FILE: Final = "rejected.parquet"
UNKNOWN_ITEM: Final = "unknown item"
ITEM_REJECTED: Final = "its item was rejected"


def preprocess(
    items: str,
    interactions: str,
    data_version: str,
    num_shards: int,
    min_interactions: int,
    max_rejected_share: float,
    unknown_items: str,
    dataset: Path,
    rejected: Path,
) -> list[int]:
    """Read, check and clean the raw data, index it, split it, and write two artifacts.

    Args:
        items: file or folder with item_id and title, brand, categories, description.
        interactions: file or folder with user_id, item_id, timestamp.
        data_version: of the sources; recorded, and what tells KFP's cache that they changed.
        num_shards: how many tasks will embed the items.
        min_interactions: users with fewer are left out.
        max_rejected_share: of the rows of either source, 0 to 1; more rejects stop the run.
        unknown_items: what to do with interactions that name items which the items lack:
            "error" or "reject".
        dataset: where the Dataset is written.
        rejected: where the Rejected rows are written.

    Returns:
        The shard numbers, 0 … num_shards - 1.

    Raises:
        InputError: the sources cannot give a Dataset; neither artifact is written.
    """
    _check_parameters(num_shards, min_interactions, max_rejected_share, unknown_items)
    checked_items = _read(items, (schema.ITEM_ID,), ITEM_COLUMNS, check_items, CHECKED_ITEMS)
    _refuse_rejects(items, checked_items, max_rejected_share)
    catalogue = _catalogue(checked_items.accepted, items)
    checked_events = _read(
        interactions, INTERACTION_COLUMNS, INTERACTION_COLUMNS, check_interactions,
        CHECKED_INTERACTIONS,
    )  # fmt: skip
    known = _join_items(checked_events, checked_items, catalogue, interactions, unknown_items)
    _refuse_rejects(interactions, known, max_rejected_share)
    events, dropped = _order_and_split(known.accepted, catalogue, interactions, min_interactions)

    refused = pa.concat_tables([checked_items.rejected, known.rejected])
    with (
        new_artifact(dataset, ArtifactKind.DATASET, STEP) as data_draft,
        new_artifact(rejected, ArtifactKind.REJECTED, STEP) as rejected_draft,
    ):
        pq.write_table(catalogue, data_draft.folder / ITEMS_FILE, compression="zstd")
        pq.write_table(events, data_draft.folder / INTERACTIONS_FILE, compression="zstd")
        pq.write_table(refused, rejected_draft.folder / REJECTED_FILE, compression="zstd")
        data_draft.counts = {
            "items": len(catalogue),
            "users": pc.count_distinct(events[schema.USER_INDEX]).as_py(),
            "interactions": len(events),
            **{
                split.value: pc.sum(pc.equal(events[schema.SPLIT], split.value)).as_py()
                for split in Split
            },
            "item_rows_read": _num_rows(checked_items),
            "interaction_rows_read": _num_rows(checked_events),
            "rejected": len(refused),
            **dropped,
        }
        data_draft.details = {"data_version": data_version, "split": "temporal leave-one-out"}
        rejected_draft.counts = _count_reasons(refused)
    for reason, count in _count_reasons(refused).items():
        print(f"towerflow: rejected {count:,} rows: {reason}", flush=True)
    return list(range(num_shards))


def _check_parameters(
    num_shards: int, min_interactions: int, max_rejected_share: float, unknown_items: str
) -> None:
    for name, value in (("num_shards", num_shards), ("min_interactions", min_interactions)):
        if value < 1:
            raise InputError(name, expected="a whole number of at least 1", found=str(value))
    if not 0 <= max_rejected_share <= 1:
        raise InputError(
            "max_rejected_share", expected="a share from 0 to 1", found=str(max_rejected_share)
        )
    if unknown_items not in ("error", "reject"):
        raise InputError("unknown_items", expected="error or reject", found=unknown_items)


def _read(
    source: str,
    required: tuple[str, ...],
    columns: tuple[str, ...],
    check: Check,
    accepted_schema: pa.Schema,
) -> Checked:
    files = find_files(source)
    any_of = schema.TEXT_FIELDS if columns == ITEM_COLUMNS else ()
    for file in files:
        require_columns(file, required, any_of)
    with tempfile.TemporaryDirectory() as workspace:
        checked = read_and_check(files, columns, check, accepted_schema, Path(workspace))
    if not _num_rows(checked):
        raise InputError(source, expected="at least one row", found="none")
    return checked


def _refuse_rejects(source: str, checked: Checked, max_share: float) -> None:
    """Stop on a file that broke off, and on too many rows that can't be used."""
    for row in checked.rejected.to_pylist():
        if row[schema.REASON].startswith(UNREADABLE):
            raise InputError(
                row[schema.FILE],
                field=f"row {row[schema.ROW]}",
                expected="a whole file",
                found=row[schema.REASON],
            )
    share = len(checked.rejected) / _num_rows(checked)
    if share > max_share:
        reasons = _count_reasons(checked.rejected)
        first = checked.rejected.slice(0, 1).to_pylist()[0]
        raise InputError(
            source,
            expected=f"at most {max_share:.1%} of rows rejected",
            found=f"{share:.1%} ({', '.join(f'{n:,} × {why}' for why, n in reasons.items())}), "
            f"the first in {first[schema.FILE]} at row {first[schema.ROW]}",
            hint="mend the rows or raise max_rejected_share",
        )


def _catalogue(accepted: pa.Table, source: str) -> pa.Table:
    """Items in order of item_id, with their index."""
    ordered = accepted.sort_by(schema.ITEM_ID)
    ids = ordered[schema.ITEM_ID].to_pylist()
    twice = next((a for a, b in itertools.pairwise(ids) if a == b), None)
    if twice is not None:
        where = accepted.filter(pc.equal(accepted[schema.ITEM_ID], twice))
        raise InputError(
            source,
            field=schema.ITEM_ID,
            expected="each id once",
            found=f"'{twice}' in rows {', '.join(map(str, where[schema.ROW].to_pylist()))}",
        )
    index = pa.array(np.arange(len(ordered)), pa.int64())
    columns = [index, *(ordered[name] for name in (schema.ITEM_ID, schema.TITLE, schema.TEXT))]
    return pa.table(columns, schema=schema.ITEMS_SCHEMA)


def _join_items(
    events: Checked, items: Checked, catalogue: pa.Table, source: str, unknown_items: str
) -> Checked:
    """Part the events whose item is in the catalogue from those whose item is not."""
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


def _order_and_split(
    accepted: pa.Table, catalogue: pa.Table, source: str, min_interactions: int
) -> tuple[pa.Table, dict[str, int]]:
    """Index users and items, drop repeats and users with too little, order by time, split."""
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


def _num_rows(checked: Checked) -> int:
    return len(checked.accepted) + len(checked.rejected)


def _count_reasons(rejected: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(rejected[schema.REASON]).to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts}
