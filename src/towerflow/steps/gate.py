"""`gate`: whether the model may replace what is live."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.retrieval.releases import current_release
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, open_artifact

STEP: Final = "gate"
DECISION_FILE: Final = "decision.json"
OPEN: Final = "open"
CLOSED: Final = "closed"


class Decision(BaseModel):
    """The content of `decision.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: str = Field(description=f"{OPEN} or {CLOSED}.")
    reason: str = Field(description="Why, in a sentence.")
    metric: str = Field(description="What was compared.")
    challenger: float = Field(description="The new model's value.")
    champion: float | None = Field(description="The live release's value; null if there is none.")
    champion_release: str | None = Field(description="Id of the live release, if there is one.")


def gate(metrics: Path, release_root: str, decision: Path) -> str:
    """Compare the model's primary metric with that of the champion, the live release.

    Args:
        metrics: Metrics artifact of the new model.
        release_root: where releases are published.
        decision: where the Decision artifact is written.

    Returns:
        "open" if there is no champion or the model is not worse than it, else "closed".
    """
    metrics_hash = open_artifact(metrics, ArtifactKind.METRICS).content_hash
    challenger = EvaluationMetrics.read(metrics)
    champion_folder = current_release(Path(release_root))
    decided = _decide(challenger, champion_folder)
    with new_artifact(decision, ArtifactKind.DECISION, STEP) as draft:
        write_decision(draft.folder, decided)
        draft.inputs = {"metrics": metrics_hash}
    print(f"towerflow: gate {decided.decision}: {decided.reason}", flush=True)
    return decided.decision


def write_decision(folder: Path, decision: Decision) -> None:
    """Write `decision.json` of a Decision artifact."""
    (folder / DECISION_FILE).write_text(decision.model_dump_json(indent=2) + "\n", "utf-8")


def read_decision(folder: Path) -> Decision:
    """Read `decision.json` of a Decision artifact or a release."""
    return Decision.model_validate_json((folder / DECISION_FILE).read_text("utf-8"))


def _decide(challenger: EvaluationMetrics, champion_folder: Path | None) -> Decision:
    name = challenger.primary_metric
    if champion_folder is None:
        return Decision(
            decision=OPEN,
            reason="there is no champion yet",
            metric=name,
            challenger=challenger.primary,
            champion=None,
            champion_release=None,
        )
    champion = EvaluationMetrics.read(champion_folder)
    value = champion.model[name]
    if champion.protocol != challenger.protocol:
        return Decision(
            decision=CLOSED,
            reason=f"not comparable: measured by {challenger.protocol}; "
            f"the champion by {champion.protocol}",
            metric=name,
            challenger=challenger.primary,
            champion=value,
            champion_release=champion_folder.name,
        )
    opens = challenger.primary >= value
    data = "the same" if champion.dataset == challenger.dataset else "other"
    return Decision(
        decision=OPEN if opens else CLOSED,
        reason=f"{name} {challenger.primary:.4f} is {'not ' if opens else ''}worse than the "
        f"champion's {value:.4f}, measured on {data} test data",
        metric=name,
        challenger=challenger.primary,
        champion=value,
        champion_release=champion_folder.name,
    )
