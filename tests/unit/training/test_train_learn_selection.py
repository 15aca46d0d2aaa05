"""Which epoch is kept, and what training must leave alone."""

import numpy as np
import pytest
import torch

from towerflow.evaluation.protocol import Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import LearnConfig
from towerflow.training.train_learn import TrainingConfig, train_learn

NUM_ITEMS = 20
CONFIG = LearnConfig(width=16, num_layers=1, num_heads=2, feedforward=16, dim=8, dropout=0.0)
EMBEDDINGS = torch.randn(NUM_ITEMS, 12, generator=torch.Generator().manual_seed(0)) * 3 + 1
USERS = np.arange(40)
# Everybody walks around the circle of items; validation asks for what lies across it.
HISTORIES = ItemLists.from_lists([[(u + s) % NUM_ITEMS for s in range(6)] for u in USERS])
ACROSS = Task(
    USERS, HISTORIES, ItemLists.from_lists([[(u + NUM_ITEMS // 2) % NUM_ITEMS] for u in USERS])
)
TRAINING = TrainingConfig(epochs=8, patience=8, batch_size=8, learning_rate=0.01)


def test_what_is_returned_is_the_best_epoch_though_later_ones_were_worse() -> None:
    model, curve = train_learn(CONFIG, TRAINING, EMBEDDINGS, HISTORIES, ACROSS)
    validation = [epoch.validation for epoch in curve]
    assert validation[-1] < max(validation)  # else this test would say nothing
    found = evaluate_model(model, EMBEDDINGS, ACROSS, (10,)).means()["ndcg@10"]
    assert found == pytest.approx(max(validation))


def test_patience_counts_from_the_best_epoch() -> None:
    _, whole = train_learn(CONFIG, TRAINING, EMBEDDINGS, HISTORIES, ACROSS)
    training = TRAINING.model_copy(update={"patience": 2})
    _, stopped = train_learn(CONFIG, training, EMBEDDINGS, HISTORIES, ACROSS)
    assert stopped == whole[: len(stopped)]
    values = [epoch.validation for epoch in stopped]
    assert len(stopped) == values.index(max(values)) + 1 + 2 < len(whole)
    assert [epoch.number for epoch in stopped] == list(range(1, len(stopped) + 1))


def test_the_seed_alone_decides_whatever_was_drawn_before() -> None:
    training = TRAINING.model_copy(update={"epochs": 2})
    config = CONFIG.model_copy(update={"dropout": 0.2})
    weights = []
    for drawn_before in (3, 5):
        torch.manual_seed(drawn_before)
        model, _ = train_learn(config, training, EMBEDDINGS, HISTORIES, ACROSS)
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_embeddings_stay_frozen_and_their_mean_and_scale_are_the_catalogues() -> None:
    embeddings = EMBEDDINGS.clone()
    training = TRAINING.model_copy(update={"epochs": 1})
    model, _ = train_learn(CONFIG, training, embeddings, HISTORIES, ACROSS)
    assert torch.equal(embeddings, EMBEDDINGS)
    assert embeddings.grad is None
    torch.testing.assert_close(model.standardise.mean, EMBEDDINGS.mean(dim=0))
    torch.testing.assert_close(model.standardise.scale, EMBEDDINGS.std(dim=0, correction=0))
    assert not model.training
