"""LEARN over a catalogue of a million items, with validation, to see how much memory it takes.

python -m benchmarks.support.learn_million <items> <users> <embedding dim>
"""

import json
import sys
import tempfile

import numpy as np
import torch

from towerflow.evaluation.protocol import Task
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.standardise import Standardise
from towerflow.training.checkpoint import Checkpoint
from towerflow.training.config import Candidates, NextItem, SoftmaxConfig, TrainingConfig
from towerflow.training.loop import TrainingLog, train_model

HISTORY = 9
TESTED = 2_000


def main(num_items: str, num_users: str, embedding_dim: str) -> None:
    """One epoch with a softmax over sampled items, then full ranking for some users."""
    rng = np.random.default_rng(0)
    users, items = int(num_users), int(num_items)
    events = rng.integers(items, size=users * HISTORY)
    histories = ItemLists(events, np.arange(0, len(events) + 1, HISTORY))
    embeddings = torch.randn(items, int(embedding_dim), generator=torch.Generator().manual_seed(0))
    tested = np.arange(TESTED)
    validation = Task(
        tested,
        histories.take(tested),
        ItemLists(rng.integers(items, size=TESTED), np.arange(TESTED + 1)),
    )
    softmax = SoftmaxConfig(candidates=Candidates.SAMPLED, num_negatives=4096)
    training = TrainingConfig(epochs=1, batch_size=2048, objective=NextItem(softmax=softmax))
    model = Learn(LearnConfig(dim=64), embeddings.shape[1], items)
    model.standardise = Standardise.fit(embeddings)
    log = TrainingLog(histories, np.zeros(len(events)), items)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(f"{folder}/state.safetensors")
        curve = train_model(model, training, log, embeddings, validation, checkpoint)
    print(json.dumps({"loss": curve[0].loss, "targets": users * (HISTORY - 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
