"""What has changed in a catalogue since an earlier Dataset."""

from enum import StrEnum
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from towerflow.schema import ITEM_ID, TEXT

CHANGES_FILE: Final = "changes.parquet"
CHANGE: Final = "change"


class Change(StrEnum):
    """What became of an item."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"


CHANGES_SCHEMA: Final = pa.schema(
    [pa.field(ITEM_ID, pa.string(), nullable=False), pa.field(CHANGE, pa.string(), nullable=False)]
)


def compare_items(previous: pa.Table, current: pa.Table) -> pa.Table:
    """Items that are new, gone, or have another text, in order of item_id (`CHANGES_SCHEMA`).

    Args:
        previous: `ITEMS_SCHEMA` of the earlier Dataset.
        current: `ITEMS_SCHEMA`.
    """
    before = previous.select([ITEM_ID, TEXT]).rename_columns([ITEM_ID, "before"])
    after = current.select([ITEM_ID, TEXT]).rename_columns([ITEM_ID, "after"])
    both = before.join(after, ITEM_ID, join_type="full outer")
    change = pc.if_else(
        pc.is_null(both["before"]),
        Change.NEW.value,
        pc.if_else(
            pc.is_null(both["after"]),
            Change.GONE.value,
            pc.if_else(
                pc.equal(both["before"], both["after"]),
                pa.scalar(None, pa.string()),
                Change.CHANGED.value,
            ),
        ),
    )
    found = pa.table({ITEM_ID: both[ITEM_ID], CHANGE: change}).filter(pc.is_valid(change))
    return found.sort_by(ITEM_ID).cast(CHANGES_SCHEMA)


def count_changes(changes: pa.Table) -> dict[str, int]:
    """How many items are `items_new`, `items_changed` and `items_gone`."""
    return {
        f"items_{change.value}": pc.sum(pc.equal(changes[CHANGE], change.value)).as_py() or 0
        for change in Change
    }
