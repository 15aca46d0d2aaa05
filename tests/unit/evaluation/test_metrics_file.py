"""`metrics.json`: read back as written, refused by name when damaged."""

from pathlib import Path

import pytest

from tests.conftest import Run
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import METRICS_FILE, EvaluationMetrics


def test_it_is_read_back_as_written(shop_run: Run, tmp_path: Path) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    (tmp_path / METRICS_FILE).write_text(metrics.model_dump_json())
    assert EvaluationMetrics.read(tmp_path) == metrics
    assert metrics.primary == metrics.model["ndcg@10"]


@pytest.mark.parametrize("content", ["{", "{}", '{"model": {"ndcg@10": "high"}}'])
def test_damaged_metrics_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / METRICS_FILE).write_text(content)
    with pytest.raises(InputError, match=r"metrics\.json.*expected metrics of a model"):
        EvaluationMetrics.read(tmp_path)


def test_missing_metrics_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json: expected metrics of a model"):
        EvaluationMetrics.read(tmp_path)
