"""`champion`: the model of the live release, to be used on another catalogue."""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.evaluation.gating import OPEN, Decision
from towerflow.evaluation.metrics_file import METRICS_FILE, EvaluationMetrics
from towerflow.interactions.trained_on import TrainedOn
from towerflow.models.files import load_model
from towerflow.retrieval.release import MODEL_FOLDER
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ArtifactKind
from towerflow.steps.gate import write_decision
from towerflow.storage.artifact import local_artifact, new_artifact

STEP: Final = "champion"


class Champion(NamedTuple):
    """Where the live release is, and how its texts were embedded: parameters of `embed_items`."""

    release: str
    encoder_fingerprint: str
    pooling: str
    layer: int
    prompt: str
    l2: str
    max_tokens: int
    precision: str


def champion(release_root: str, model: Path, metrics: Path, decision: Path) -> Champion:
    """Take model and metrics out of the live release.

    Args:
        release_root: folder of the releases.
        model: where the RetrievalModel is written.
        metrics: where its Metrics are written, as they were measured when it was trained.
        decision: where the Decision is written that lets a refreshed index be published.

    Raises:
        InputError: nothing is live, or the live model can't rank items that it was not trained on.
    """
    root = ReleaseRoot(release_root)
    release_id = root.current()
    if release_id is None:
        raise InputError(
            release_root,
            expected="a live release to refresh",
            found="nothing published there",
            hint="run retrain first",
        )
    source, release = root.folder(release_id), root.manifest(release_id)
    encoder = EncoderRecord.of(source, release.details)
    needed = [
        name
        for name in release.files
        if name.startswith(f"{MODEL_FOLDER}/") or name == METRICS_FILE
    ]
    with local_artifact(source, ArtifactKind.RELEASE, needed) as folder:
        live = load_model(folder / MODEL_FOLDER)
        if not live.serves_new_items:
            raise InputError(
                source,
                expected="a model that knows items by their text",
                found=f"{live.kind}, which knows those it was trained on",
                hint="run retrain",
            )
        inputs = {"release": release.content_hash}
        with new_artifact(model, ArtifactKind.RETRIEVAL_MODEL, STEP) as draft:
            shutil.copytree(folder / MODEL_FOLDER, draft.folder, dirs_exist_ok=True)
            draft.details = {
                **encoder.as_details(),
                **TrainedOn.of(source, release.details).as_details(),
            }
            draft.inputs = inputs
        with new_artifact(metrics, ArtifactKind.METRICS, STEP) as draft:
            shutil.copyfile(folder / METRICS_FILE, draft.folder / METRICS_FILE)
            draft.inputs = inputs
        with new_artifact(decision, ArtifactKind.DECISION, STEP) as draft:
            write_decision(draft.folder, _refreshed(release_id, EvaluationMetrics.read(folder)))
            draft.inputs = inputs
    print(f"towerflow: {release_id} is live, with a model of kind {live.kind}", flush=True)
    settings = encoder.settings
    return Champion(
        release=source,
        encoder_fingerprint=encoder.fingerprint,
        pooling=settings.pooling.value,
        layer=settings.layer,
        prompt=settings.prompt,
        l2="yes" if settings.l2 else "no",
        max_tokens=settings.max_tokens,
        precision=settings.precision.value,
    )


def _refreshed(release_id: str, found: EvaluationMetrics) -> Decision:
    return Decision(
        decision=OPEN,
        reason=f"the model of {release_id} over a new catalogue, not trained or measured anew",
        checks=[],
        forced="",
        metric=found.primary_metric,
        challenger=found.primary,
        champion=found.primary,
        champion_release=release_id,
    )
