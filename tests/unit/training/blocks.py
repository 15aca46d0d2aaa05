"""A log whose pattern is easily learnt: two groups of users, each with items of its own."""

import numpy as np
import torch
from torch import Tensor

from towerflow.evaluation.protocol import Task
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.graph_cf import GraphCF, GraphCFConfig
from towerflow.models.llm_init import xavier
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.graph import ModelOfTables, train_graph
from towerflow.training.graph_config import (
    GraphTrainingConfig,
    LightGCNLoss,
    SGCLLoss,
    SGLLoss,
)

GROUP = 8  # items of a group
USERS = np.arange(24)
NUM_USERS, NUM_ITEMS, DIM = len(USERS), 2 * GROUP, 8
# Odd users have the upper half of the items; everybody takes four of eight that follow each other.
TAKEN = [[u % 2 * GROUP + (u // 2 + s) % GROUP for s in range(4)] for u in USERS]
WANTED = [[u % 2 * GROUP + (u // 2 + 4) % GROUP] for u in USERS]
ELSEWHERE = [[(u + 1) % 2 * GROUP + u // 2 % GROUP] for u in USERS]  # in the other group
HISTORIES = ItemLists.from_events(USERS.repeat(4), np.concatenate(TAKEN), NUM_USERS)
EDGES = Edges.of(HISTORIES, NUM_ITEMS)
EMBEDDINGS = torch.zeros(NUM_ITEMS, 1)
NEXT = Task(USERS, HISTORIES, ItemLists.from_lists(WANTED))
OTHER_GROUP = Task(USERS, HISTORIES, ItemLists.from_lists(ELSEWHERE))
NOBODY = Task(np.arange(0), ItemLists.from_lists([]), ItemLists.from_lists([]))
SETTINGS = GraphCFConfig(dim=DIM, num_layers=2)
COSINE = GraphCFConfig(dim=DIM, num_layers=2, cosine=True)
OBJECTIVES = {"lightgcn": LightGCNLoss(), "sgl": SGLLoss(), "sgcl": SGCLLoss()}
LIGHTGCN = GraphTrainingConfig(
    objective=LightGCNLoss(), epochs=8, patience=8, batch_size=32, learning_rate=0.02
)


def training_of(name: str, **changes: object) -> GraphTrainingConfig:
    return LIGHTGCN.model_copy(update={"objective": OBJECTIVES[name]} | changes)


def settings_of(training: GraphTrainingConfig) -> GraphCFConfig:
    """By cosine if that is what is trained."""
    return COSINE if isinstance(training.objective, SGCLLoss) else SETTINGS


def first_table(seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.cat([xavier(count, DIM, rng) for count in (NUM_USERS, NUM_ITEMS)])


def build_of(settings: GraphCFConfig = SETTINGS, edges: Edges = EDGES) -> ModelOfTables:
    """Of items whose embeddings say nothing."""
    return ModelOfTables(settings, edges, EMBEDDINGS, np.ones(NUM_ITEMS, dtype=bool), {})


def train(
    training: GraphTrainingConfig = LIGHTGCN,
    *,
    first: Tensor | None = None,
    validation: Task = NEXT,
    checkpoint: Checkpoint | None = None,
) -> tuple[Tensor, list[Epoch]]:
    """Train on the two groups, from new rows if none are given."""
    first = first_table() if first is None else first
    return train_graph(build_of(settings_of(training)), training, first, validation, checkpoint)


def model_of(table: Tensor, settings: GraphCFConfig = SETTINGS) -> GraphCF:
    return GraphCF.of_tables(settings, table, EDGES)
