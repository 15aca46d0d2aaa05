"""A root of the shop's release and of another with some things changed."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import Run
from towerflow.evaluation.metrics_file import METRICS_FILE, EvaluationMetrics
from towerflow.interactions.dataset import ITEMS_FILE
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ITEM_ID, MANIFEST_FILE, TEXT, ArtifactKind
from towerflow.storage.artifact import new_artifact, read_manifest


def two_releases(run: Run, folder: Path) -> tuple[ReleaseRoot, str, str]:
    """The shop's, and one of which the first item is another, the second reads otherwise.

    The second was forced, its recall@10 is half, and its vectors are of another space.
    """
    root = ReleaseRoot(folder / "root")
    source = Path(ReleaseRoot(run.release_root).folder(run.release_id))
    first = root.point_to(root.add(source), How.PUBLISH).release_id
    manifest = read_manifest(source)
    with new_artifact(folder / "second", ArtifactKind.RELEASE, "test") as draft:
        ignore = shutil.ignore_patterns(MANIFEST_FILE)
        shutil.copytree(source, draft.folder, dirs_exist_ok=True, ignore=ignore)
        items = pq.read_table(source / ITEMS_FILE)
        changed = {ITEM_ID: (0, "A00"), TEXT: (1, "reads otherwise")}
        for name, (row, value) in changed.items():
            values = items[name].to_pylist()
            values[row] = value
            at = items.schema.names.index(name)
            items = items.set_column(at, items.schema.field(at), pa.array(values))
        pq.write_table(items, draft.folder / ITEMS_FILE)
        metrics = EvaluationMetrics.read(source)
        halved = {**metrics.model, "recall@10": metrics.model["recall@10"] / 2}
        content = metrics.model_copy(update={"model": halved}).model_dump_json()
        (draft.folder / METRICS_FILE).write_text(content, "utf-8")
        draft.counts = {**manifest.counts, "users": manifest.counts["users"] + 1, "more": 7}
        draft.details = {
            **manifest.details,
            "decision": {"reason": "forced: a wish", "forced": "a wish"},
            "vector_space": "another",
        }
        draft.inputs = {**manifest.inputs, "index": "0" * 64}
    return root, first, root.point_to(root.add(folder / "second"), How.PUBLISH).release_id


def first_items(run: Run) -> list[str]:
    """Ids of the first two items of the shop."""
    ids: list[str] = pq.read_table(run.dataset / ITEMS_FILE)[ITEM_ID].to_pylist()[:2]
    return ids
