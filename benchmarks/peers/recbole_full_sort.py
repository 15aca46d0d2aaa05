"""The peer of `make bench NAME=evaluate`: RecBole's full-sort evaluation of the same vectors.

python recbole_full_sort.py <folder> <eval_batch_size> <repeats>

The folder has vectors.npz and a folder `log` with log.train.inter, log.valid.inter and
log.test.inter. Prints the seconds of each evaluation, and the metrics.
"""

import json
import logging
import os
import sys
import time

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

DIM = 128


def main(folder: str, eval_batch_size: str, repeats: str) -> None:
    """Evaluate so many times."""
    os.chdir(folder)  # it logs where it runs
    config = Config(
        model="BPR",
        dataset="log",
        config_dict={
            "data_path": folder,
            "benchmark_filename": ["train", "valid", "test"],
            "USER_ID_FIELD": "user_id",
            "ITEM_ID_FIELD": "item_id",
            "load_col": {"inter": ["user_id", "item_id"]},
            "eval_args": {"order": "RO", "mode": "full", "group_by": None},
            "embedding_size": DIM,
            "eval_batch_size": int(eval_batch_size),
            "metrics": ["Recall", "NDCG", "Hit", "MRR", "MAP"],
            "metric_decimal_place": 12,
            "topk": [1, 5, 10, 20, 50],
            "valid_metric": "NDCG@10",
            "use_gpu": False,
            "show_progress": False,
            "checkpoint_dir": folder,
        },
    )
    logging.disable(logging.INFO)
    init_seed(0, reproducibility=True)
    dataset = create_dataset(config)
    train_data, _, test_data = data_preparation(config, dataset)
    model = get_model("BPR")(config, train_data.dataset)
    vectors = np.load(f"{folder}/vectors.npz")
    with torch.no_grad():
        for field, table, rows in (
            ("user_id", model.user_embedding.weight, vectors["users"]),
            ("item_id", model.item_embedding.weight, vectors["items"]),
        ):
            tokens = dataset.field2id_token[field][1:].astype(int)  # row 0 pads
            table[1:] = torch.from_numpy(rows[tokens])
    trainer = Trainer(config, model)
    seconds = []
    for _ in range(int(repeats)):
        started = time.perf_counter()
        found = trainer.evaluate(test_data, load_best_model=False)
        seconds.append(time.perf_counter() - started)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "metrics": {name.replace("hit@", "hit_rate@"): found[name] for name in found},
                "items": dataset.item_num - 1,
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
