"""`gate`: reads what was measured, decides (see test_gating), and says why as data and Markdown."""

from pathlib import Path

import pytest

from tests.conftest import GATE, Run
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import METRICS_FILE, ChampionMetrics, EvaluationMetrics
from towerflow.evaluation.resampling import Change
from towerflow.schema import ArtifactKind
from towerflow.steps.gate import gate, read_decision
from towerflow.storage.artifact import new_artifact, read_manifest


def challenger(run: Run, path: Path, change: float, champion: str = "") -> Path:
    """Metrics like the shop's, with a primary metric so far from that of `champion`, if any."""
    found = EvaluationMetrics.read(run.metrics)
    by = Change(change=change, low=change - 0.02, high=change + 0.02, p_value=0.5)
    model = {**found.model, "ndcg@10": found.primary * (1 + change)}
    update: dict[str, object] = {"model": model}
    if champion:
        update |= {
            "champion": ChampionMetrics(
                release=champion,
                metrics=found.model,
                exposure=[],
                unknown_items=0,
                not_comparable="",
            ),
            "changes": {"champion": by},
        }
    with new_artifact(path, ArtifactKind.METRICS, "test") as draft:
        content = found.model_copy(update=update).model_dump_json()
        (draft.folder / METRICS_FILE).write_text(content, "utf-8")
    return path


def decide(metrics: Path, root: Path, decision: Path, **settings: object) -> str:
    """The step, with its usual settings but for `settings`."""
    summary = decision.with_suffix(".md")
    return gate(metrics, str(root), decision=decision, summary=summary, **GATE | settings)


def test_without_a_champion_the_gate_opens(shop_run: Run) -> None:
    decision = read_decision(shop_run.decision)
    assert (decision.decision, decision.reason) == ("open", "there is no champion yet")
    assert (decision.champion, decision.champion_release) == (None, None)


@pytest.mark.parametrize(
    ("change", "expected"), [(0.1, "open"), (0.0, "open"), (-0.02, "open"), (-0.04, "closed")]
)
def test_five_percent_may_be_lost(
    shop_run: Run, tmp_path: Path, change: float, expected: str
) -> None:
    """The interval is 2 % wide to either side: -4 % could be -6 %."""
    metrics = challenger(shop_run, tmp_path / "metrics", change, shop_run.release_id)
    assert decide(metrics, shop_run.release_root, tmp_path / "decision") == expected
    decision = read_decision(tmp_path / "decision")
    assert decision.decision == expected
    assert decision.champion_release == shop_run.release_id
    assert f"{change:+.1%}" in decision.reason
    manifest = read_manifest(tmp_path / "decision")
    assert manifest.details["settings"]["margin"] == 0.05
    assert manifest.inputs == {"metrics": read_manifest(metrics).content_hash}


def test_the_ui_is_told_each_check(shop_run: Run, tmp_path: Path) -> None:
    metrics = challenger(shop_run, tmp_path / "metrics", -0.5, shop_run.release_id)
    decide(metrics, shop_run.release_root, tmp_path / "decision")
    lines = (tmp_path / "decision.md").read_text("utf-8").splitlines()
    assert lines[0] == "# The gate is closed"
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows] == [
        "check",
        "vectors",
        "champion",
        "ndcg@10",
        "coverage@10",
        *GATE["guarded_slices"],
    ]
    assert rows[3][1] == "failed"


def test_a_champion_that_was_not_measured_closes_it(shop_run: Run, tmp_path: Path) -> None:
    for name, measured in (("none", ""), ("other", "r-other")):
        metrics = challenger(shop_run, tmp_path / name, 0.5, measured)
        assert decide(metrics, shop_run.release_root, tmp_path / f"{name}-decision") == "closed"
        reason = read_decision(tmp_path / f"{name}-decision").reason
        found = measured or "none"
        assert f"{shop_run.release_id} is live, but {found} was measured; run again" in reason


def test_it_is_forced_only_with_a_reason_which_is_recorded(shop_run: Run, tmp_path: Path) -> None:
    metrics = challenger(shop_run, tmp_path / "metrics", -0.5, shop_run.release_id)
    on = (metrics, shop_run.release_root)
    assert decide(*on, tmp_path / "closed", force=" ") == "closed"
    assert decide(*on, tmp_path / "forced", force="the old one offends") == "open"
    decision = read_decision(tmp_path / "forced")
    assert decision.forced == "the old one offends"
    assert decision.reason.startswith("forced: the old one offends; else closed by ndcg@10: ")
    assert "# The gate was forced open" in (tmp_path / "forced.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"margin": -0.1}, "gate: margin: expected a margin from 0 to below 1, found '-0.1"),
        ({"coverage_margin": 1.0}, "gate: coverage_margin: expected a margin"),
        ({"guarded_slices": ["histroy: cold"]}, "expected one of history: cold, history: few"),
        ({"guarded_slices": ["history: cold=2"]}, "expected a margin from 0 to below 1, found 2"),
    ],
)
def test_mistakes_are_told(
    shop_run: Run, tmp_path: Path, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        decide(shop_run.metrics, tmp_path / "root", tmp_path / "decision", **settings)
    assert not (tmp_path / "decision").exists()
