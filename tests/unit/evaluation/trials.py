"""Made-up trials whose numbers can be read by eye."""

from collections.abc import Sequence

import numpy as np

from tests.unit.evaluation.made_up import metrics, part
from towerflow.evaluation.comparison import Trial
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
    measured = metrics(
        base=mean,
        users=len(per_user),
        slices={
            "popularity: tail": part(2, None, base=mean / 2),
            "popularity: head": part(1, None, base=0.0),
        },
    )
    means = {
        "model": {"recall@10": 2 * mean, "ndcg@10": mean, "gini@10": 1 - mean},
        "baselines": {"popularity": {"recall@10": 0.25, "ndcg@10": 0.125, "gini@10": 0.5}},
    }
    return Trial(record, measured.model_copy(update=means), np.array(per_user))
