"""A small graph, tables on it, and its model beside what plain NumPy makes of the same tables."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tests.unit.models import plain_graph
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.connector import Connector
from towerflow.models.graph_cf import GraphCF, GraphCFConfig

TAKEN = [[0, 1, 2], [2, 3], [], [0], [3, 1]]  # user 2 took nothing; nobody took items 4 and 5
NUM_USERS, NUM_ITEMS, DIM = len(TAKEN), 6, 3
COLD = [4, 5]
USER_IDS, ITEM_IDS = list("vwxyz"), list("abcdef")
HISTORIES = replace(ItemLists.from_lists(TAKEN), user_index=np.arange(NUM_USERS))
EDGES = Edges.of(HISTORIES, NUM_ITEMS)
TABLE = torch.randn(NUM_USERS + NUM_ITEMS, DIM, generator=torch.Generator().manual_seed(0))
EMBEDDINGS = torch.randn(NUM_ITEMS, 4, generator=torch.Generator().manual_seed(1))
CONNECTOR = Connector(
    torch.randn(4, DIM, generator=torch.Generator().manual_seed(2)), torch.tensor([1.0, 2.0, 3.0])
)
IS_WARM = torch.from_numpy(EDGES.item_degrees() > 0)


def graph_cf(num_layers: int = 2, *, connector: bool = False, cosine: bool = False) -> GraphCF:
    """Of the tables as they are."""
    config = GraphCFConfig(dim=DIM, num_layers=num_layers, cosine=cosine, connector=connector)
    model = GraphCF.of_tables(config, TABLE, EDGES)
    return model.with_connector(CONNECTOR, IS_WARM) if connector else model


def plain_layers(num_layers: int) -> list[plain_graph.Floats]:
    """By dense products."""
    matrix = plain_graph.adjacency(TAKEN, NUM_ITEMS)
    return plain_graph.layers(matrix, TABLE.double().numpy(), num_layers)


def plain_final(num_layers: int) -> plain_graph.Floats:
    """`[num_nodes, DIM]` mean of layers."""
    mean: plain_graph.Floats = np.mean(plain_layers(num_layers), axis=0)
    return mean


def plain_user(num_layers: int, history: list[int], user: int | None = None) -> plain_graph.Floats:
    """`(e_u⁰ + Σ_i Σ_{k<K} e_iᵏ / √(d_u d_i)) / (K + 1)`; strangers begin as their items' mean."""
    layers, degrees = plain_layers(num_layers), EDGES.item_degrees()
    items = [NUM_USERS + item for item in history]
    total = layers[0][items].mean(axis=0) if user is None else layers[0][user].copy()
    for item, node in zip(history, items, strict=True):
        for layer in layers[:-1]:
            total += layer[node] / np.sqrt(len(history) * degrees[item])
    mean: plain_graph.Floats = total / (num_layers + 1)
    return mean


def mean_user(num_layers: int) -> plain_graph.Floats:
    """Of users with a history."""
    mean: plain_graph.Floats = plain_final(num_layers)[[0, 1, 3, 4]].mean(axis=0)
    return mean


def close(found: Tensor, expected: plain_graph.Floats | Tensor) -> bool:
    """To 1e-5."""
    return np.allclose(found.numpy(), np.asarray(expected), atol=1e-5, rtol=1e-5)
