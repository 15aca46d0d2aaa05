"""Towerflow's SASRec, to set beside RecBole's: seconds of each epoch, what it reads and predicts.

python -m benchmarks.support.learn_speed <Dataset> <epochs> <width> <inner> <length> <batch>
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from towerflow.evaluation.protocol import Task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.schema import Split
from towerflow.training.checkpoint import Epoch
from towerflow.training.config import TrainingConfig
from towerflow.training.loop import TrainingLog, train_model

NOBODY = Task(np.arange(0), ItemLists.from_lists([]), ItemLists.from_lists([]))


def main(dataset: str, epochs: str, width: str, inner: str, length: str, batch: str) -> None:
    """Train for so many epochs, without validation as the peer."""
    data = Dataset.open(Path(dataset))
    histories = data.lists(Split.TRAIN)
    config = SASRecConfig(
        width=int(width),
        feedforward=int(inner),
        num_layers=2,
        num_heads=2,
        max_history=int(length),
        dropout=0.5,
        attention_dropout=0.5,  # RecBole's default for both
    )
    model = SASRec(config, data.num_items)
    log = TrainingLog(histories, np.zeros(len(histories.items)), data.num_items)
    ends = [time.perf_counter()]

    def note(_: Epoch) -> None:
        ends.append(time.perf_counter())

    training = TrainingConfig(epochs=int(epochs), batch_size=int(batch))
    train_model(model, training, log, torch.zeros(data.num_items, 1), NOBODY, on_epoch=note)
    steps = int((histories.lengths - 1).clip(min=0).sum())
    found = {
        "seconds": np.diff(ends).tolist(),
        "targets": steps,
        "tokens": steps,
        "threads": torch.get_num_threads(),
        "items": data.num_items,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
