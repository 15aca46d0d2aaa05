"""`publish`: the Index becomes an immutable release, then the current one."""

import tempfile
from pathlib import Path
from typing import Final

from towerflow.errors import InputError
from towerflow.evaluation.gating import OPEN, Decision
from towerflow.evaluation.metrics_file import METRICS_FILE
from towerflow.progress import Advance, progress
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ArtifactKind, Manifest
from towerflow.steps.gate import DECISION_FILE, read_decision
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.transfer import Tell

STEP: Final = "publish"
DECISION: Final = "decision"  # in the details of a release
MEGABYTE: Final = 2**20


def publish(index: Path, metrics: Path, decision: Path, release_root: str) -> str:
    """Copy the Index, with the metrics and the decision that let it through, to the release root.

    Publishing again what is live changes nothing.

    Args:
        index: the Index.
        metrics: Metrics of its model, for people.
        decision: the gate's Decision.
        release_root: folder of the releases and of `current.json`, local or remote.

    Returns:
        The id of the release, made of its content.

    Raises:
        InputError: the decision was not to publish, an artifact is damaged, or another release
            went live meanwhile; then this one is complete, and not current.
        StorageError: it can't be written; what was live still is.
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
    root = ReleaseRoot(release_root)
    live = root.current()
    if (
        live is not None
        and root.is_whole(live)
        and _is_the_same(root.manifest(live), index_manifest, decided)
    ):
        print(f"towerflow: {live} is the current release already", flush=True)
        return live
    with tempfile.TemporaryDirectory() as temporary:
        release = Path(temporary) / "release"
        with new_artifact(release, ArtifactKind.RELEASE, STEP) as draft:
            for name in index_manifest.files:
                _link(index / name, draft.folder / name)
            _link(metrics / METRICS_FILE, draft.folder / METRICS_FILE)
            _link(decision / DECISION_FILE, draft.folder / DECISION_FILE)
            draft.counts = index_manifest.counts
            draft.details = {
                **index_manifest.details,
                DECISION: decided.model_dump(mode="json", include={"reason", "forced"}),
            }
            draft.inputs = {
                "index": index_manifest.content_hash,
                "metrics": metrics_manifest.content_hash,
                "decision": decision_manifest.content_hash,
            }
        megabytes = 1 + sum(entry.bytes for entry in index_manifest.files.values()) // MEGABYTE
        with progress("publish", megabytes, "MB") as advance:
            release_id = root.add(release, _in_megabytes(advance))
    root.point_to(release_id, How.PUBLISH, {None, decided.champion_release})
    print(f"towerflow: {release_id} is now the current release", flush=True)
    return release_id


def _require_one_model(index: Path, indexed: Manifest, measured: Manifest) -> None:
    """What a refresh takes out of a release doesn't say which model it is of."""
    models = (indexed.inputs.get("model"), measured.inputs.get("model"))
    if None not in models and models[0] != models[1]:
        raise InputError(index, expected="an Index of the model that was measured", found="another")


def _is_the_same(live: Manifest, index: Manifest, decided: Decision) -> bool:
    """Whether the live release is of this Index, for the same reason if it was forced."""
    decision = live.details.get(DECISION)
    forced = decision.get("forced") if isinstance(decision, dict) else None
    return live.inputs.get("index") == index.content_hash and forced == decided.forced


def _link(source: Path, target: Path) -> None:
    """The same file there, until it is copied to the root."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def _in_megabytes(advance: Advance) -> Tell:
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = -(-done // MEGABYTE)
        if now > told:
            advance(now - told)
            told = now

    return tell
