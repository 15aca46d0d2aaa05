"""Some users of a million ranked a million items: how fast, and in how much memory.

python -m benchmarks.support.ranking_scale <items> <dim> <users>

All item vectors are there; users come in blocks, so more of them take longer and nothing else.
Prints seconds, and what memory grew by beyond the vectors, in GB.
"""

import json
import resource
import sys
import time

import torch

from benchmarks.support.ranking_task import make
from towerflow.evaluation.protocol import CUTOFFS, evaluate_model

KILOBYTES = 1e6  # in a GB


def main(items: str, dim: str, users: str) -> None:
    """Rank for so many users."""
    model, task = make(int(users), int(items), int(dim))
    unread = torch.zeros(int(items), 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    evaluate_model(model, unread, task, CUTOFFS)
    found = {
        "seconds": time.perf_counter() - started,
        "grown": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / KILOBYTES,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
