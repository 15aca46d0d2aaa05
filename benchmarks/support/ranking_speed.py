"""Full ranking of a made-up test beside the bare product and top-K that it can't do without.

python -m benchmarks.support.ranking_speed <folder> <repeats>

Writes vectors and a log for a peer into the folder. Prints seconds of each repeat, and the metrics.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.support.ranking_task import DIM, NUM_ITEMS, NUM_USERS, FixedVectors, make, write_log
from towerflow.evaluation.protocol import CUTOFFS, evaluate_model
from towerflow.evaluation.slices import SLICE_CUTOFF

BLOCKS = (128, 330, 1024, 4096)  # users at a time; the fastest counts


@torch.inference_mode()
def bare(model: FixedVectors, block: int, depth: int) -> float:
    """Seconds of the products and top-K alone, in blocks of users."""
    started = time.perf_counter()
    for start in range(0, len(model.users), block):
        (model.users[start : start + block] @ model.items.T).topk(depth, dim=1)
    return time.perf_counter() - started


def main(folder: str, repeats: str) -> None:
    """Measure in turn, so that other load falls on both alike."""
    model, task = make(NUM_USERS, NUM_ITEMS, DIM)
    write_log(task, Path(folder) / "log")
    np.savez(Path(folder) / "vectors.npz", users=model.users.numpy(), items=model.items.numpy())
    unread = torch.zeros(NUM_ITEMS, 1)
    ours, floor = [], []
    for _ in range(int(repeats)):
        started = time.perf_counter()
        result = evaluate_model(model, unread, task, CUTOFFS)
        ours.append(time.perf_counter() - started)
        floor.append(min(bare(model, block, max(CUTOFFS)) for block in BLOCKS))
    means = result.means()
    found = {
        "seconds": ours,
        "bare": floor,
        "metrics": {name: means[name] for name in means if name.endswith(f"@{SLICE_CUTOFF}")},
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
