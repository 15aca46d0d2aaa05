"""`publish`: the Index becomes an immutable release, then the current one."""

import datetime
import hashlib
import shutil
from pathlib import Path
from typing import Final

from towerflow.errors import InputError
from towerflow.evaluation.gating import OPEN
from towerflow.evaluation.metrics_file import METRICS_FILE
from towerflow.retrieval.releases import current_release, point_to, release_folder
from towerflow.schema import ArtifactKind, Manifest
from towerflow.steps.gate import DECISION_FILE, read_decision
from towerflow.storage.artifact import new_artifact, open_artifact

STEP: Final = "publish"


def publish(index: Path, metrics: Path, decision: Path, release_root: str) -> str:
    """Copy the Index, with the metrics and the decision that let it through, to the release root.

    Publishing the same content again changes nothing.

    Args:
        index: the Index.
        metrics: Metrics of its model, for people.
        decision: the gate's Decision.
        release_root: folder of the releases and of `current.json`.

    Returns:
        The id of the release, made of its content.

    Raises:
        InputError: the decision was not to publish, or an artifact is damaged.
    """
    index_manifest = open_artifact(index, ArtifactKind.INDEX)
    metrics_manifest = open_artifact(metrics, ArtifactKind.METRICS)
    decision_manifest = open_artifact(decision, ArtifactKind.DECISION)
    decided = read_decision(decision)
    if decided.decision != OPEN:
        raise InputError(decision, expected="an open gate", found=decided.reason)
    _require_one_model(index, index_manifest, metrics_manifest)
    if decision_manifest.inputs.get("metrics", metrics_manifest.content_hash) != (
        metrics_manifest.content_hash
    ):
        raise InputError(decision, expected="a decision about these metrics", found="another")
    # Not of the metrics: the same index beside another champion is the same release.
    made_of = f"{index_manifest.content_hash} {decided.forced}"
    release_id = f"r-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    root = Path(release_root)
    folder = release_folder(root, release_id)
    if folder.exists():
        open_artifact(folder, ArtifactKind.RELEASE)
    else:
        with new_artifact(folder, ArtifactKind.RELEASE, STEP) as draft:
            for name in index_manifest.files:
                target = draft.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(index / name, target)
            shutil.copyfile(metrics / METRICS_FILE, draft.folder / METRICS_FILE)
            shutil.copyfile(decision / DECISION_FILE, draft.folder / DECISION_FILE)
            draft.counts = index_manifest.counts
            draft.details = {
                **index_manifest.details,
                "decision": decided.model_dump(mode="json", include={"reason", "forced"}),
            }
            draft.inputs = {
                "index": index_manifest.content_hash,
                "metrics": metrics_manifest.content_hash,
                "decision": decision_manifest.content_hash,
            }
    live = current_release(root)
    if live is not None and live.name not in (folder.name, decided.champion_release):
        raise InputError(
            root,
            expected=f"{decided.champion_release or 'nothing'} live, as when it was decided",
            found=f"{live.name}, published meanwhile",
            hint="run again",
        )
    if live == folder:
        print(f"towerflow: {release_id} is the current release already", flush=True)
    else:
        point_to(root, release_id, datetime.datetime.now(datetime.UTC).isoformat())
        print(f"towerflow: {release_id} is now the current release", flush=True)
    return release_id


def _require_one_model(index: Path, indexed: Manifest, measured: Manifest) -> None:
    """What a refresh takes out of a release doesn't say which model it is of."""
    models = (indexed.inputs.get("model"), measured.inputs.get("model"))
    if None not in models and models[0] != models[1]:
        raise InputError(index, expected="an Index of the model that was measured", found="another")
