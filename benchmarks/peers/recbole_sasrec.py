"""The peer of `make bench NAME=learn`: RecBole's SASRec with its own trainer and loader.

python recbole_sasrec.py <interactions.csv> <folder> <epochs> <width> <inner> <length> <batch>

The log has user, item and rank in the user's history; RecBole leaves the last two of each user out.
Prints seconds of each epoch, and what an epoch reads and predicts.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer

NAME = "log"


def main(
    log: str, folder: str, epochs: str, width: str, inner: str, length: str, batch: str
) -> None:
    """Train for so many epochs."""
    data = Path(folder) / NAME
    data.mkdir(parents=True, exist_ok=True)
    rows = Path(log).read_text("utf-8").splitlines()[1:]
    header = "user_id:token\titem_id:token\ttimestamp:float"
    lines = [header, *(row.replace(",", "\t") for row in rows)]
    (data / f"{NAME}.inter").write_text("\n".join(lines) + "\n", "utf-8")
    os.chdir(folder)  # it logs where it runs
    config = Config(
        model=SASRec,
        dataset=NAME,
        config_dict={
            "data_path": folder,
            "USER_ID_FIELD": "user_id",
            "ITEM_ID_FIELD": "item_id",
            "TIME_FIELD": "timestamp",
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "eval_args": {
                "split": {"LS": "valid_and_test"},
                "order": "TO",
                "mode": "full",
                "group_by": "user",
            },
            "MAX_ITEM_LIST_LENGTH": int(length),
            "train_neg_sample_args": None,
            "loss_type": "CE",
            "hidden_size": int(width),
            "inner_size": int(inner),
            "n_layers": 2,
            "n_heads": 2,
            "train_batch_size": int(batch),
            "use_gpu": False,
            "show_progress": False,
            "checkpoint_dir": folder,
            "seed": 0,
        },
    )
    logging.disable(logging.INFO)
    dataset = create_dataset(config)
    train_data, _, _ = data_preparation(config, dataset)
    model = SASRec(config, train_data.dataset)
    trainer = Trainer(config, model)
    model.train()
    seconds = []
    for epoch in range(int(epochs)):
        started = time.perf_counter()
        trainer._train_epoch(train_data, epoch, show_progress=False)
        seconds.append(time.perf_counter() - started)
    lengths = train_data.dataset.inter_feat["item_length"]
    found = {
        "seconds": seconds,
        "targets": len(lengths),
        "tokens": int(lengths.sum()),
        "threads": torch.get_num_threads(),
        "items": dataset.item_num - 1,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
