"""Towerflow's LightGCN or SGL, to set beside RecBole's: seconds of each epoch, and what it gives.

python -m benchmarks.support.graph_speed <model> <Dataset> <seed> <epochs>
    <dim> <layers> <batch> <learning rate> <τ>
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

from towerflow.evaluation.protocol import Task, evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.graph_cf import GraphCFConfig
from towerflow.models.llm_init import InitConfig, Strategy, first_tables
from towerflow.schema import Split
from towerflow.training.checkpoint import Epoch
from towerflow.training.graph import ModelOfTables, train_graph
from towerflow.training.graph_config import (
    Contrast,
    GraphTrainingConfig,
    LightGCNLoss,
    SGLLoss,
)

KILOBYTES = 1e6  # in a GB
NOBODY = Task(np.arange(0), ItemLists.from_lists([]), ItemLists.from_lists([]))


def main(
    name: str,
    dataset: str,
    seed: str,
    epochs: str,
    dim: str,
    layers: str,
    batch: str,
    learning_rate: str,
    temperature: str,
) -> None:
    """Train for so many epochs and evaluate once, as the peer."""
    data = Dataset.open(Path(dataset))
    edges = Edges.of(data.lists(Split.TRAIN), data.num_items)
    settings = GraphCFConfig(
        dim=int(dim),
        num_layers=int(layers),
        init=InitConfig(strategy=Strategy.XAVIER),
        connector=False,
    )
    contrast = Contrast.ALL if name == "SGL-all" else Contrast.BATCH
    loss = SGLLoss(temperature=float(temperature), contrast=contrast)
    config = GraphTrainingConfig(
        objective=LightGCNLoss() if name == "LightGCN" else loss,
        epochs=int(epochs),
        batch_size=int(batch),
        learning_rate=float(learning_rate),
        seed=int(seed),
    )
    unread = torch.zeros(data.num_items, 1)
    has_text = np.ones(data.num_items, dtype=bool)
    rng = np.random.default_rng(int(seed))
    first = first_tables(settings.init, int(dim), unread, has_text, edges, rng)
    ends = [time.perf_counter()]

    def note(_: Epoch) -> None:
        ends.append(time.perf_counter())

    build = ModelOfTables(settings, edges, unread, has_text, {})
    table, _ = train_graph(build, config, first.table, NOBODY, on_epoch=note)
    model = build(table)
    validation = evaluate_model(model, unread, task(data, Split.VALIDATION), (10,)).means()
    found = {
        "seconds": np.diff(ends).tolist(),
        "ndcg@10": validation["ndcg@10"],
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES,
        "edges": len(edges.users),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
