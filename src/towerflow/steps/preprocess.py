"""`preprocess`: raw items and interactions to a clean, indexed, split Dataset."""

import tempfile
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.check import INTERACTIONS, ITEMS, Checked, Source
from towerflow.ingest.files import find_files, require_columns
from towerflow.ingest.pipeline import read_and_check
from towerflow.ingest.read import UNREADABLE
from towerflow.interactions.assemble import catalogue, join_items, order_and_split
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact

STEP: Final = "preprocess"
REJECTED_FILE: Final = "rejected.parquet"


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
        data_version: of all that a run reads; recorded, and what tells KFP's cache of a change.
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
    checked_items = _read(items, ITEMS)
    _refuse_rejects(items, checked_items, max_rejected_share)
    known_items = catalogue(checked_items.accepted, items)
    checked_events = _read(interactions, INTERACTIONS)
    known = join_items(checked_events, checked_items, known_items, interactions, unknown_items)
    _refuse_rejects(interactions, known, max_rejected_share)
    events, dropped = order_and_split(known.accepted, known_items, interactions, min_interactions)
    refused = pa.concat_tables([checked_items.rejected, known.rejected])
    reasons = _count_reasons(refused)

    with (
        new_artifact(dataset, ArtifactKind.DATASET, STEP) as data_draft,
        new_artifact(rejected, ArtifactKind.REJECTED, STEP) as rejected_draft,
    ):
        pq.write_table(known_items, data_draft.folder / ITEMS_FILE, compression="zstd")
        pq.write_table(events, data_draft.folder / INTERACTIONS_FILE, compression="zstd")
        pq.write_table(refused, rejected_draft.folder / REJECTED_FILE, compression="zstd")
        data_draft.counts = {
            **_count_dataset(known_items, events),
            "item_rows_read": _num_rows(checked_items),
            "interaction_rows_read": _num_rows(checked_events),
            "rejected": len(refused),
            **dropped,
        }
        data_draft.details = {"data_version": data_version, "split": "temporal leave-one-out"}
        rejected_draft.counts = reasons
    for reason, count in reasons.items():
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


def _read(path: str, source: Source) -> Checked:
    files = find_files(path)
    for file in files:
        require_columns(file, source.required, source.any_of)
    with tempfile.TemporaryDirectory() as workspace:
        checked = read_and_check(files, source, Path(workspace))
    if not _num_rows(checked):
        raise InputError(path, expected="at least one row", found="none")
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


def _count_dataset(items: pa.Table, events: pa.Table) -> dict[str, int]:
    return {
        "items": len(items),
        "users": pc.count_distinct(events[schema.USER_INDEX]).as_py(),
        "interactions": len(events),
        **{
            split.value: pc.sum(pc.equal(events[schema.SPLIT], split.value)).as_py()
            for split in Split
        },
    }


def _num_rows(checked: Checked) -> int:
    return len(checked.accepted) + len(checked.rejected)


def _count_reasons(rejected: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(rejected[schema.REASON]).to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts}
