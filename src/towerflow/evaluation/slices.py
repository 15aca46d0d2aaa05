"""How good a model is where it is hard: short histories, rare items."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from towerflow.evaluation.protocol import Result, Task, evaluate_model, measure
from towerflow.interactions.histories import IntArray
from towerflow.models.retrieval_model import RetrievalModel

SLICE_CUTOFF: Final = 10
# Each bound is the first value of the next slice.
HISTORY_BOUNDS: Final = (0, 1, 2, 3, 4, 10, 50)
POPULARITY_BOUNDS: Final = (0, 1, 6, 21, 101)
SHORTENED_TO: Final = (1, 2, 3)

Slices = dict[str, dict[str, float]]  # metrics and "users" by name of the slice


def slice_metrics(
    model: RetrievalModel, embeddings: Tensor, task: Task, result: Result, popularity: IntArray
) -> Slices:
    """Metrics on parts of `task`.

    By length of the history; by how often the item to be found was trained on (`popularity`,
    `[num_items]`); and for everybody with a history cut to the last 1, 2 and 3 items, as if they
    had just come. What a user has seen stays hidden there too.
    """
    lengths = np.repeat(task.histories.lengths, task.relevant.lengths)
    taken = popularity[task.relevant.items]
    found: Slices = {}
    for name, keep in _between(lengths, HISTORY_BOUNDS):
        found[f"users with {name} before"] = _part(task, result, keep)
    for name, keep in _between(taken, POPULARITY_BOUNDS):
        found[f"items with {name} in training"] = _part(task, result, keep)
    for length in SHORTENED_TO:
        strangers = replace(task.histories.last(length), user_index=None)
        short = Task(task.users, strangers, task.relevant, task.seen or task.histories)
        means = evaluate_model(model, embeddings, short, (SLICE_CUTOFF,)).means()
        found[f"everybody, as if only the last {length} were known"] = {
            "users": len(task.users),
            **means,
        }
    return {name: values for name, values in found.items() if values["users"]}


def _between(values: IntArray, bounds: Sequence[int]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names of the ranges, and where `values` lie in each."""
    for low, high in zip(bounds, [*bounds[1:], None], strict=True):
        if high is None:
            yield f"{low} or more interactions", values >= low
        elif high == low + 1:
            yield f"{low} interaction{'' if low == 1 else 's'}", values == low
        else:
            yield f"{low} to {high - 1} interactions", (low <= values) & (values < high)


def _part(task: Task, result: Result, keep: NDArray[np.bool_]) -> dict[str, float]:
    """Metrics with only the relevant items where `keep` is true, over users that have any."""
    relevant = task.relevant.where(keep)
    users = np.flatnonzero(relevant.lengths)
    if not len(users):
        return {"users": 0}
    per_user = measure(result.recommended[users], relevant.take(users), (SLICE_CUTOFF,))
    return {"users": len(users), **{name: float(v.mean()) for name, v in per_user.items()}}
