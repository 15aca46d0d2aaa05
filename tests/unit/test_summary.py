"""The end of a run, as a person sees it."""

import io
from pathlib import Path

from rich.console import Console

from tests.conftest import Run
from towerflow.summary import print_run


def test_counts_metrics_paths_and_real_recommendations(shop_run: Run) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    outputs = {name: str(getattr(shop_run, name)) for name in ("dataset", "rejected", "metrics")}
    print_run(console, outputs, shop_run.release_root, Path("report.html"), "small")
    text = console.export_text()
    assert "50 items, 40 users, 279 interactions, 3 rows rejected" in text
    assert "left out 2 (small users)" in text
    assert "rejected.parquet" in text
    for name in ("small (this model)", "popularity", "content_mean", "Recall@10", "NDCG@10"):
        assert name in text
    assert "report   report.html" in text
    assert f"index    {shop_run.release_root / 'releases' / shop_run.release_id}" in text
    assert "newest first" in text
    assert "│ 10 │" in text
