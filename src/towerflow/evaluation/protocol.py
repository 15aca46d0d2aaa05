"""Full ranking: every item of the catalogue competes, what the user has seen is hidden."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from towerflow.evaluation.metrics import METRICS, Floats, find_hits
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.retrieval.topk import ExactTopK
from towerflow.schema import Split

CUTOFFS = (10, 20, 50)
PRIMARY_METRIC = "ndcg@10"
USERS_AT_ONCE = 4096  # bounds the memory of user vectors, not the result


@dataclass(frozen=True)
class Task:
    """Whom to recommend to, from what, and what would have been right.

    Attributes:
        users: `[num_users]` user_index of those who have something in the judged split.
        histories: what they did before, as far as the model may know.
        relevant: what they did then.
        seen: what is hidden from the ranking, if not `histories`.
    """

    users: IntArray
    histories: ItemLists
    relevant: ItemLists
    seen: ItemLists | None = None


@dataclass(frozen=True)
class Result:
    """Metrics by name (`ndcg@10`), one value per user of the task, and the lists themselves."""

    per_user: dict[str, Floats]
    recommended: IntArray

    def means(self) -> dict[str, float]:
        """Mean over users."""
        return {name: float(values.mean()) for name, values in self.per_user.items()}


def task(dataset: Dataset, split: Split, *, hide_history: bool = True) -> Task:
    """The task that `split` (validation or test) poses: all splits before it are history.

    Without `hide_history` what users have taken is ranked again, as LLMInit's public code does.
    """
    before = [Split.TRAIN] if split is Split.VALIDATION else [Split.TRAIN, Split.VALIDATION]
    relevant = dataset.lists(split)
    users = np.flatnonzero(relevant.lengths)
    histories = dataset.lists(*before).take(users)
    seen = None if hide_history else histories.last(0)
    return Task(users, histories, relevant.take(users), seen)


@torch.inference_mode()
def evaluate_model(
    model: RetrievalModel, embeddings: Tensor, task: Task, cutoffs: tuple[int, ...]
) -> Result:
    """Rank the whole catalogue for each user of `task` and measure at each of `cutoffs`."""
    depth = min(max(cutoffs), len(embeddings))  # a small catalogue is ranked to its end
    search = ExactTopK(model.item_vectors(embeddings).cpu())
    seen = task.seen or task.histories
    recommended = [np.empty((0, depth), dtype=np.int64)]
    for start in range(0, len(task.users), USERS_AT_ONCE):
        block = np.arange(start, min(start + USERS_AT_ONCE, len(task.users)))
        users = model.user_vectors(task.histories.take(block), embeddings).cpu()
        recommended.append(search.search(users, depth, exclude=seen.take(block)).items)
    items = np.concatenate(recommended)
    return Result(measure(items, task.relevant, cutoffs), items)


def measure(
    recommended: IntArray, relevant: ItemLists, cutoffs: tuple[int, ...]
) -> dict[str, Floats]:
    """Every metric of lists `recommended` `[num_users, depth]`, one value per user."""
    hits = find_hits(recommended, relevant)
    return {
        f"{name}@{k}": metric(hits, relevant.lengths, k)
        for k in cutoffs
        for name, metric in METRICS.items()
    }
