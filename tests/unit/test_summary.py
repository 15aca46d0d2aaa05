"""The end of a run, as a person sees it."""

import io
from pathlib import Path

from rich.console import Console

from tests.conftest import Run
from tests.unit.evaluation.test_comparison import TRIALS
from towerflow.evaluation.comparison import compare_trials
from towerflow.summary import print_comparison, print_run


def test_counts_metrics_paths_and_real_recommendations(shop_run: Run) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    outputs = {name: str(getattr(shop_run, name)) for name in ("dataset", "rejected", "metrics")}
    print_run(console, outputs, str(shop_run.release_root), Path("report.html"), "small")
    text = console.export_text()
    assert "50 items, 40 users, 279 interactions, 3 rows rejected" in text
    assert "left out 2 (small users)" in text
    assert "rejected.parquet" in text
    for name in ("small (this model)", "popularity", "content_mean", "Recall@10", "NDCG@10"):
        assert name in text
    assert "report   report.html" in text
    assert f"index    {shop_run.release_root / 'releases' / shop_run.release_id}" in text
    assert "exact, recall@" in text
    assert "newest first" in text
    assert "│ 10 │" in text


def test_a_comparison_is_a_leaderboard() -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    trials = {"ease": TRIALS["ease"], "learn": TRIALS["learn"]}
    print_comparison(console, compare_trials(trials, dict.fromkeys(trials, "")))
    lines = console.export_text().splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert "over ease" in lines[1]
    learn, ease, baseline = rows
    assert learn[:4] == ["learn", "0.6000 ± 0.2828", "0.3000 ± 0.1414", "+50.0%"]
    assert 0 < float(learn[4]) <= 1
    assert (ease[0], ease[3:]) == ("ease", ["", ""])
    assert baseline == ["popularity", "0.2500", "0.1250", "", ""]
    assert "below the line: baselines" in lines[-1]
