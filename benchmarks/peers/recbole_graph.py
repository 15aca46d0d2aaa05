"""The peer of `make bench NAME=graph`: RecBole's LightGCN and SGL with its own trainer and loader.

python recbole_graph.py <model> <folder> <seed> <epochs>
    <dim> <layers> <batch> <learning rate> <τ>

The folder has a folder `log` with log.train.inter, log.valid.inter and log.test.inter. Prints the
seconds of each epoch, validation NDCG@10 after the last one, and the peak of memory in GB.
"""

import json
import logging
import os
import resource
import sys
import time

import scipy.sparse
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

KILOBYTES = 1e6  # in a GB

# RecBole's LightGCN fills its matrix by a method that scipy has since removed.
scipy.sparse.dok_matrix._update = lambda matrix, values: matrix._dict.update(values)


def main(
    model_name: str,
    folder: str,
    seed: str,
    epochs: str,
    dim: str,
    layers: str,
    batch: str,
    learning_rate: str,
    temperature: str,
) -> None:
    """Train for so many epochs and evaluate once."""
    os.chdir(folder)  # it logs where it runs
    config = Config(
        model=model_name,
        dataset="log",
        config_dict={
            "data_path": folder,
            "benchmark_filename": ["train", "valid", "test"],
            "USER_ID_FIELD": "user_id",
            "ITEM_ID_FIELD": "item_id",
            "load_col": {"inter": ["user_id", "item_id"]},
            "eval_args": {"order": "RO", "mode": "full", "group_by": None},
            "embedding_size": int(dim),
            "n_layers": int(layers),
            "train_batch_size": int(batch),
            "eval_batch_size": 4_000_000,
            "learning_rate": float(learning_rate),
            "ssl_tau": float(temperature),
            "ssl_weight": 0.05,
            "drop_ratio": 0.1,
            "reg_weight": 1e-5,
            "metrics": ["NDCG"],
            "topk": [10],
            "valid_metric": "NDCG@10",
            "use_gpu": False,
            "show_progress": False,
            "checkpoint_dir": folder,
            "seed": int(seed),
        },
    )
    logging.disable(logging.INFO)
    init_seed(int(seed), reproducibility=True)
    dataset = create_dataset(config)
    train_data, valid_data, _ = data_preparation(config, dataset)
    model = get_model(model_name)(config, train_data.dataset)
    trainer = Trainer(config, model)
    seconds = []
    for epoch in range(int(epochs)):
        started = time.perf_counter()
        trainer._train_epoch(train_data, epoch, show_progress=False)
        seconds.append(time.perf_counter() - started)
    validation = trainer.evaluate(valid_data, load_best_model=False)
    found = {
        "seconds": seconds,
        "ndcg@10": validation["ndcg@10"],
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES,
        "edges": len(train_data.dataset.inter_feat),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
