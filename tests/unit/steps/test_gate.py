"""`gate`: opens for the first model and for those not worse than the champion."""

from pathlib import Path

import pytest

from tests.conftest import Run
from towerflow.evaluation.metrics_file import METRICS_FILE, EvaluationMetrics
from towerflow.schema import ArtifactKind
from towerflow.steps.gate import gate, read_decision
from towerflow.storage.artifact import new_artifact


def challenger(run: Run, path: Path, change: float, dataset: str | None = None) -> Path:
    """Metrics like those of the shop's champion, but for NDCG@10."""
    champion = EvaluationMetrics.read(run.metrics)
    changed = champion.model_copy(
        update={
            "model": {**champion.model, "ndcg@10": champion.primary + change},
            "dataset": dataset or champion.dataset,
        }
    )
    with new_artifact(path, ArtifactKind.METRICS, "test") as draft:
        (draft.folder / METRICS_FILE).write_text(changed.model_dump_json(), "utf-8")
    return path


def test_without_a_champion_the_gate_opens(shop_run: Run) -> None:
    decision = read_decision(shop_run.decision)
    assert (decision.decision, decision.reason) == ("open", "there is no champion yet")


@pytest.mark.parametrize(("change", "expected"), [(0.1, "open"), (0.0, "open"), (-0.001, "closed")])
def test_only_a_worse_model_is_kept_out(
    shop_run: Run, tmp_path: Path, change: float, expected: str
) -> None:
    metrics = challenger(shop_run, tmp_path / "metrics", change)
    assert gate(metrics, str(shop_run.release_root), tmp_path / "decision") == expected
    decision = read_decision(tmp_path / "decision")
    assert decision.decision == expected
    assert decision.champion_release == shop_run.release_id
    assert "the same test data" in decision.reason


def test_other_test_data_are_told(shop_run: Run, tmp_path: Path) -> None:
    metrics = challenger(shop_run, tmp_path / "metrics", 0.1, dataset="another")
    gate(metrics, str(shop_run.release_root), tmp_path / "decision")
    assert "measured on other test data" in read_decision(tmp_path / "decision").reason


def test_what_another_protocol_measured_is_not_comparable(shop_run: Run, tmp_path: Path) -> None:
    metrics = challenger(shop_run, tmp_path / "better", 0.5)
    shown = EvaluationMetrics.read(metrics).model_copy(update={"protocol": "history ranked too"})
    with new_artifact(tmp_path / "metrics", ArtifactKind.METRICS, "test") as draft:
        (draft.folder / METRICS_FILE).write_text(shown.model_dump_json(), "utf-8")
    root = str(shop_run.release_root)
    assert gate(tmp_path / "metrics", root, tmp_path / "decision") == "closed"
    reason = read_decision(tmp_path / "decision").reason
    assert reason.startswith("not comparable: measured by history ranked too; the champion by full")
