"""Training on a GPU: it learns as on the CPU, in bfloat16, and its model comes back to the CPU."""

import numpy as np
import pytest
import torch

from towerflow.evaluation.protocol import Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import ItemInput, Learn, LearnConfig
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.training.config import TrainingConfig
from towerflow.training.loop import TrainingLog, train_model

pytestmark = pytest.mark.gpu

NUM_ITEMS = 20
EMBEDDINGS = torch.randn(NUM_ITEMS, 12, generator=torch.Generator().manual_seed(0))
# Everybody walks around the circle of items, one step at a time.
HISTORIES = ItemLists.from_lists([[(u + s) % NUM_ITEMS for s in range(6)] for u in range(40)])
NEXT = Task(
    np.arange(40), HISTORIES, ItemLists.from_lists([[(u + 6) % NUM_ITEMS] for u in range(40)])
)
SIZE = {"width": 16, "num_layers": 1, "num_heads": 2, "feedforward": 16, "dropout": 0.0}
MODELS = [
    Learn(LearnConfig(**SIZE, dim=8), 12, NUM_ITEMS),
    Learn(LearnConfig(**SIZE, dim=8, item_input=ItemInput.CONTENT_ID), 12, NUM_ITEMS),
    SASRec(SASRecConfig(**SIZE), NUM_ITEMS),
]


@pytest.mark.parametrize("model", MODELS, ids=["content", "content and id", "SASRec"])
def test_it_learns_where_the_circle_goes(model: Learn | SASRec) -> None:
    training = TrainingConfig(epochs=30, batch_size=16, learning_rate=0.01)
    log = TrainingLog(HISTORIES, np.zeros(len(HISTORIES.items)), NUM_ITEMS)
    curve = train_model(model, training, log, EMBEDDINGS.cuda(), NEXT)
    assert curve[-1].loss < 0.5 * curve[0].loss
    on_gpu = max(epoch.validation for epoch in curve)
    on_cpu = evaluate_model(model.cpu(), EMBEDDINGS, NEXT, (10,)).means()["ndcg@10"]
    assert on_cpu == pytest.approx(on_gpu, abs=0.05)
    assert on_cpu > 0.9
