"""Training learns a planted pattern, repeatably, and keeps the best epoch."""

import numpy as np
import pytest
import torch

from towerflow.errors import InputError
from towerflow.evaluation.protocol import Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.popularity import Popularity
from towerflow.training.train_learn import Epoch, TrainingConfig, train_learn, warmup_cosine

NUM_ITEMS = 20
CONFIG = LearnConfig(width=16, num_layers=1, num_heads=2, feedforward=16, dim=8, dropout=0.0)
TRAINING = TrainingConfig(epochs=15, patience=15, batch_size=8, learning_rate=0.01)
EMBEDDINGS = torch.randn(NUM_ITEMS, 12, generator=torch.Generator().manual_seed(0))
# Each user walks around the circle of items, one step at a time.
HISTORIES = ItemLists.from_lists([[(u + s) % NUM_ITEMS for s in range(6)] for u in range(40)])
NEXT = ItemLists.from_lists([[(u + 6) % NUM_ITEMS] for u in range(40)])
VALIDATION = Task(np.arange(40), HISTORIES, NEXT)
NOBODY = Task(np.arange(0), ItemLists.from_lists([]), ItemLists.from_lists([]))


def train(validation: Task = VALIDATION, **changes: int) -> tuple[Learn, list[Epoch]]:
    """Train on the circle."""
    training = TRAINING.model_copy(update=changes)
    return train_learn(CONFIG, training, EMBEDDINGS, HISTORIES, validation)


def ndcg(model: Learn | Popularity) -> float:
    """Validation NDCG@10."""
    return evaluate_model(model, EMBEDDINGS, VALIDATION, (10,)).means()["ndcg@10"]


def test_it_learns_where_the_circle_goes() -> None:
    model, curve = train()
    assert curve[-1].loss < 0.5 * curve[0].loss
    assert ndcg(model) > 0.9 > ndcg(Popularity.fit(HISTORIES, NUM_ITEMS)) + 0.3


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = (train(epochs=2, seed=seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["output_projection.weight"], other["output_projection.weight"])


def test_the_best_epoch_is_kept() -> None:
    model, curve = train()
    assert ndcg(model) == pytest.approx(max(epoch.validation for epoch in curve))


def test_it_stops_when_validation_no_longer_gets_better() -> None:
    wrong = Task(
        VALIDATION.users, HISTORIES, ItemLists.from_lists([[u % NUM_ITEMS] for u in range(40)])
    )
    _, curve = train(wrong, patience=3)  # the target is in the history, so it is never found
    assert [epoch.number for epoch in curve] == [1, 2, 3, 4]


def test_without_validation_users_the_last_epoch_is_kept() -> None:
    model, curve = train(NOBODY, patience=1)
    assert len(curve) == 15
    assert ndcg(model) > 0.8


def test_nothing_to_learn_from_is_said() -> None:
    single = ItemLists.from_lists([[0], [1], []])
    with pytest.raises(InputError, match="a user with at least 2 items in it, found none"):
        train_learn(CONFIG, TRAINING, EMBEDDINGS, single, NOBODY)


def test_each_epoch_is_told_as_it_ends() -> None:
    told: list[Epoch] = []
    training = TRAINING.model_copy(update={"epochs": 2})
    _, curve = train_learn(CONFIG, training, EMBEDDINGS, HISTORIES, VALIDATION, told.append)
    assert told == curve


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    factors = [warmup_cosine(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert sorted(factors[10:], reverse=True) == factors[10:]
    assert warmup_cosine(250, 100, 0.1) == 0.0
