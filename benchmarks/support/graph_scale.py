"""One epoch of LightGCN over a made-up graph, and what one propagation of it takes.

python -m benchmarks.support.graph_scale <users> <items> <edges> <dim> <batch>
"""

import json
import resource
import sys
import time

import numpy as np
import torch

from towerflow.evaluation.protocol import Task
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Adjacency, Edges
from towerflow.models.graph_cf import GraphCFConfig
from towerflow.models.llm_init import InitConfig, Strategy, xavier
from towerflow.training.graph import ModelOfTables, train_graph
from towerflow.training.graph_config import GraphTrainingConfig, LightGCNLoss

KILOBYTES = 1e6  # in a GB
NOBODY = Task(np.arange(0), ItemLists.from_lists([]), ItemLists.from_lists([]))
POPULARITY_EXPONENT = 0.8


def made_up_edges(num_users: int, num_items: int, num_edges: int) -> Edges:
    """Busy users are rare and so are popular items; about as many edges as asked for."""
    rng = np.random.default_rng(0)
    activity = rng.lognormal(0, 1, num_users)
    lengths = np.maximum(1, activity / activity.sum() * num_edges).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    popularity = np.cumsum(1 / (np.arange(num_items) + 100.0) ** POPULARITY_EXPONENT)
    drawn = rng.random(int(offsets[-1])) * popularity[-1]
    items = rng.permutation(num_items)[np.searchsorted(popularity, drawn)]
    return Edges.of(ItemLists(items, offsets), num_items)


def main(num_users: str, num_items: str, num_edges: str, dim: str, batch: str) -> None:
    """Print the seconds of one epoch and of one propagation, and the peak of memory in GB."""
    started = time.perf_counter()
    edges = made_up_edges(int(num_users), int(num_items), int(num_edges))
    made = time.perf_counter() - started
    rng = np.random.default_rng(0)
    parts = [xavier(edges.num_users, int(dim), rng), xavier(edges.num_items, int(dim), rng)]
    table = torch.cat(parts)
    del parts
    adjacency = Adjacency.of(edges)
    started = time.perf_counter()
    adjacency.propagate(table)
    propagation = time.perf_counter() - started
    del adjacency
    settings = GraphCFConfig(
        dim=int(dim), init=InitConfig(strategy=Strategy.XAVIER), connector=False
    )
    config = GraphTrainingConfig(objective=LightGCNLoss(), epochs=1, batch_size=int(batch))
    unread = torch.zeros(edges.num_items, 1)
    started = time.perf_counter()
    build = ModelOfTables(settings, edges, unread, np.zeros(edges.num_items, dtype=bool), {})
    _, curve = train_graph(build, config, table, NOBODY)
    found = {
        "edges": len(edges.users),
        "seconds": time.perf_counter() - started,
        "seconds_made": made,
        "seconds_propagation": propagation,
        "steps": -(-len(edges.users) // int(batch)),
        "loss": curve[0].loss,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
