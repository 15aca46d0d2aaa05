"""What differs between two releases."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.unit.retrieval.shop_releases import first_items, two_releases
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.retrieval.release_diff import diff


def test_a_release_does_not_differ_from_itself(shop_run: Run, tmp_path: Path) -> None:
    root, first, _ = two_releases(shop_run, tmp_path)
    found = diff(root, first, first)
    assert (found.new, found.gone, found.changed, found.details) == ([], [], [], {})
    assert found.same_vector_space
    assert {before for before, _ in found.counts.values()} >= {50, 40}
    assert all(before == after for before, after in found.counts.values())
    assert all(before == after for before, after in found.metrics.values())


def test_items_counts_metrics_and_details_are_told_from_one_to_the_other(
    shop_run: Run, tmp_path: Path
) -> None:
    root, first, second = two_releases(shop_run, tmp_path)
    found = diff(root, first, second)
    gone, changed = first_items(shop_run)
    assert (found.new, found.gone, found.changed) == (["A00"], [gone], [changed])
    assert found.counts["users"] == (40, 40 + 1)
    assert found.counts["items"] == (50, 50)
    assert found.counts["more"] == (None, 7)
    recall = EvaluationMetrics.read(shop_run.metrics).model["recall@10"]
    assert found.metrics.keys() == {"recall@10", "ndcg@10", "coverage@10"}
    assert found.metrics["recall@10"] == (recall, recall / 2)
    assert found.details.keys() == {
        "decision.reason",
        "decision.forced",
        "vector_space",
        "inputs.index",
    }
    assert found.details["decision.forced"] == ("", "a wish")
    assert not found.same_vector_space


def test_the_other_way_round_is_the_other_way_round(shop_run: Run, tmp_path: Path) -> None:
    root, first, second = two_releases(shop_run, tmp_path)
    there, back = diff(root, first, second), diff(root, second, first)
    assert (back.new, back.gone, back.changed) == (there.gone, there.new, there.changed)
    for name in ("counts", "metrics", "details"):
        turned = {key: pair[::-1] for key, pair in getattr(there, name).items()}
        assert getattr(back, name) == turned


def test_an_unknown_or_damaged_release_is_refused(shop_run: Run, tmp_path: Path) -> None:
    root, first, second = two_releases(shop_run, tmp_path)
    with pytest.raises(InputError, match=r"release 'r-0': expected one of"):
        diff(root, first, "r-0")
    items = Path(root.folder(second)) / "items.parquet"
    items.write_bytes(items.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"items\.parquet: expected \d+ bytes"):
        diff(root, first, second)
