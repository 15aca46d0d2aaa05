"""Made-up trials whose numbers can be read by eye."""

from collections.abc import Sequence

import numpy as np

from towerflow.evaluation.comparison import Trial
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.evaluation.training_record import TrainingRecord


def trial(
    per_user: Sequence[float], seed: int = 0, recipe: str = "learn", seconds: float = 60.0
) -> Trial:
    """One with these values of the primary metric; recall is twice that."""
    mean = float(np.mean(per_user))
    record = TrainingRecord(
        recipe=recipe,
        seed=seed,
        settings={},
        parameters=1000,
        epochs=2 + seed,
        seconds=seconds,
        curves={"learn": [{"epoch": 1, "loss": 2.0, "ndcg@10": 0.125}]},
    )
    metrics = EvaluationMetrics(
        primary_metric="ndcg@10",
        protocol="full ranking",
        num_users=len(per_user),
        num_items=50,
        model={"recall@10": 2 * mean, "ndcg@10": mean},
        baselines={"popularity": {"recall@10": 0.25, "ndcg@10": 0.125}},
        slices={
            "rare items": {"users": 2, "recall@10": mean, "ndcg@10": mean / 2},
            "others": {"users": 1, "recall@10": 0.0, "ndcg@10": 0.0},
        },
        dataset="d" * 64,
    )
    return Trial(record, metrics, np.array(per_user))
