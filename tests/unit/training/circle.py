"""A log whose pattern is easily learnt: everybody walks around a circle of items."""

import numpy as np
import torch

from towerflow.evaluation.protocol import Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.config import TrainingConfig
from towerflow.training.loop import TrainingLog, train_model

NUM_ITEMS = 20
USERS = np.arange(40)
EMBEDDINGS = torch.randn(NUM_ITEMS, 12, generator=torch.Generator().manual_seed(0))
HISTORIES = ItemLists.from_lists([[(u + s) % NUM_ITEMS for s in range(6)] for u in USERS])
LOG = TrainingLog(HISTORIES, np.tile(np.arange(6.0), len(USERS)), NUM_ITEMS)
CONFIG = LearnConfig(width=16, num_layers=1, num_heads=2, feedforward=16, dim=8, dropout=0.0)
# 40 users with 5 steps each: five optimiser steps a pass.
TRAINING = TrainingConfig(epochs=15, patience=15, batch_size=40, learning_rate=0.01)


def asking_for(step: int) -> Task:
    """Validation on the item so many steps after the first of each user."""
    wanted = [[(u + step) % NUM_ITEMS] for u in USERS]
    return Task(USERS, HISTORIES, ItemLists.from_lists(wanted))


NEXT = asking_for(6)
ACROSS = asking_for(NUM_ITEMS // 2)
NOBODY = Task(np.arange(0), ItemLists.from_lists([]), ItemLists.from_lists([]))


def new_model(config: LearnConfig = CONFIG, seed: int = 0) -> Learn:
    torch.manual_seed(seed)
    return Learn(config, EMBEDDINGS.shape[1], NUM_ITEMS)


def train(
    training: TrainingConfig = TRAINING,
    *,
    model: Learn | SASRec | None = None,
    validation: Task = NEXT,
    checkpoint: Checkpoint | None = None,
) -> tuple[Learn | SASRec, list[Epoch]]:
    """Train on the circle; a new small LEARN if no model is given."""
    model = model or new_model()
    return model, train_model(model, training, LOG, EMBEDDINGS, validation, checkpoint)


def ndcg(model: RetrievalModel, validation: Task = NEXT) -> float:
    return evaluate_model(model, EMBEDDINGS, validation, (10,)).means()["ndcg@10"]


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """To the bit."""
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())
