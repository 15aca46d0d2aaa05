"""`gate`: whether the model may replace what is live."""

from pathlib import Path
from typing import Final

from towerflow.evaluation.gating import Decision, GateConfig, decide
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.reporting.markdown import summarise_decision
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.files import write_text

STEP: Final = "gate"
DECISION_FILE: Final = "decision.json"


def gate(
    metrics: Path,
    release_root: str,
    margin: float,
    guarded_slices: list[str],
    slice_margin: float,
    coverage_margin: float,
    force: str,
    decision: Path,
    summary: Path,
) -> str:
    """Decide by what `evaluate` found of the model and of the champion, the live release's model.

    Args:
        metrics: Metrics artifact of the new model.
        release_root: where releases are published.
        margin: share of the champion's primary metric that may be lost; 0: it must be better.
        guarded_slices: names or patterns of slices that must not fall, as `history: few-shot` or
            `popularity: *=0.05`.
        slice_margin: share that a guarded slice may lose if it has no margin of its own.
        coverage_margin: share of the champion's coverage that may be lost.
        force: why to open the gate whatever is found, which is recorded; empty: don't.
        decision: where the Decision artifact is written.
        summary: where it is written as Markdown, for the UI.

    Returns:
        "open" or "closed".

    Raises:
        InputError: a margin that is none, a guarded slice of a kind that there is not, or a damaged
            release root.
    """
    config = GateConfig.parse(margin, guarded_slices, slice_margin, coverage_margin)
    metrics_hash = open_artifact(metrics, ArtifactKind.METRICS).content_hash
    champion = ReleaseRoot(release_root).current()
    challenger = EvaluationMetrics.read(metrics)
    decided = decide(challenger, champion, config, force.strip())
    with new_artifact(decision, ArtifactKind.DECISION, STEP) as draft:
        write_decision(draft.folder, decided)
        draft.details = {"settings": config.model_dump(mode="json")}
        draft.inputs = {"metrics": metrics_hash}
        write_text(summary, summarise_decision(decided))
    print(f"towerflow: gate {decided.decision}: {decided.reason}", flush=True)
    return decided.decision


def write_decision(folder: Path, decision: Decision) -> None:
    """Write `decision.json` of a Decision artifact."""
    (folder / DECISION_FILE).write_text(decision.model_dump_json(indent=2) + "\n", "utf-8")


def read_decision(folder: Path) -> Decision:
    """Read `decision.json` of a Decision artifact or a release."""
    return Decision.model_validate_json((folder / DECISION_FILE).read_text("utf-8"))
