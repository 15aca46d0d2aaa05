"""What differs between two releases."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import JsonValue

from towerflow.evaluation.metrics_file import METRICS_FILE, EvaluationMetrics
from towerflow.interactions.dataset import ITEMS_FILE
from towerflow.retrieval.release import VECTOR_SPACE
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ITEM_ID, TEXT, ArtifactKind, Manifest
from towerflow.storage.artifact import local_artifact

SHOWN = ("recall@10", "ndcg@10", "coverage@10")


@dataclass(frozen=True)
class ReleaseDiff:
    """From one release to another.

    Attributes:
        counts: by name, before and after; None where one has no such count.
        metrics: by name, as each was measured on the test of its day.
        details: by dotted name, what is not the same.
        new, gone, changed: item ids; of the last the text is another.
        same_vector_space: whether vectors of both can be compared.
    """

    counts: dict[str, tuple[int | None, int | None]]
    metrics: dict[str, tuple[float, float]]
    details: dict[str, tuple[JsonValue, JsonValue]]
    new: list[str]
    gone: list[str]
    changed: list[str]
    same_vector_space: bool


def diff(root: ReleaseRoot, before: str, after: str) -> ReleaseDiff:
    """Compare two releases of `root` by their ids.

    Raises:
        InputError: there is no such release, or it is damaged.
    """
    manifests = root.manifest(before), root.manifest(after)
    items = _texts(root, before), _texts(root, after)
    measured = _metrics(root, before), _metrics(root, after)
    return ReleaseDiff(
        counts=_pairs(manifests[0].counts, manifests[1].counts),
        metrics={name: (measured[0].model[name], measured[1].model[name]) for name in SHOWN},
        details=_changed(_described(manifests[0]), _described(manifests[1])),
        new=sorted(items[1].keys() - items[0].keys()),
        gone=sorted(items[0].keys() - items[1].keys()),
        changed=sorted(
            item for item in items[0].keys() & items[1].keys() if items[0][item] != items[1][item]
        ),
        same_vector_space=manifests[0].details.get(VECTOR_SPACE)
        == manifests[1].details.get(VECTOR_SPACE),
    )


def _texts(root: ReleaseRoot, release_id: str) -> dict[str, str]:
    with local_artifact(root.folder(release_id), ArtifactKind.RELEASE, [ITEMS_FILE]) as folder:
        table = pq.read_table(Path(folder) / ITEMS_FILE, columns=[ITEM_ID, TEXT])
    return dict(zip(table[ITEM_ID].to_pylist(), table[TEXT].to_pylist(), strict=True))


def _metrics(root: ReleaseRoot, release_id: str) -> EvaluationMetrics:
    with local_artifact(root.folder(release_id), ArtifactKind.RELEASE, [METRICS_FILE]) as folder:
        return EvaluationMetrics.read(folder)


def _described(manifest: Manifest) -> dict[str, JsonValue]:
    """Details that say something to a person, by dotted name."""
    return dict(_flat({**manifest.details, "inputs": dict(manifest.inputs)}))


def _flat(content: dict[str, JsonValue], prefix: str = "") -> list[tuple[str, JsonValue]]:
    found: list[tuple[str, JsonValue]] = []
    for name, value in content.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def _changed(
    before: dict[str, JsonValue], after: dict[str, JsonValue]
) -> dict[str, tuple[JsonValue, JsonValue]]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _pairs(
    before: dict[str, int], after: dict[str, int]
) -> dict[str, tuple[int | None, int | None]]:
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names}
