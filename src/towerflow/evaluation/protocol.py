"""Full ranking: every item of the catalogue competes, what the user has seen is hidden.

Ties are broken against the model: an item to be found comes after all that score the same, so a
model that gives constant scores finds nothing by luck.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.evaluation.metrics import METRICS, Floats, find_hits
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.retrieval.topk import NO_ITEM, ExactTopK
from towerflow.schema import Split

CUTOFFS = (1, 5, 10, 20, 50)
PRIMARY_METRIC = "ndcg@10"
USERS_AT_ONCE = 4096  # bounds the memory of user vectors, not the result


@dataclass(frozen=True)
class Task:
    """Whom to recommend to, from what, and what would have been right.

    Attributes:
        users: `[num_users]` user_index of those who have something in the judged split.
        histories: what they did before, as far as the model may know.
        relevant: what they did then, each item once.
        seen: what is hidden from the ranking, if not `histories`.
        candidates: the items that compete, if not all.
        events: `[num_relevant]` rows of the Dataset's interactions that `relevant` is made of;
            None where they are of no Dataset.
    """

    users: IntArray
    histories: ItemLists
    relevant: ItemLists
    seen: ItemLists | None = None
    candidates: ItemLists | None = None
    events: IntArray | None = None


@dataclass(frozen=True)
class Result:
    """Metrics by name (`ndcg@10`), one value per user of the task, and the lists themselves.

    Attributes:
        per_user: `[num_users]` each.
        recommended: `[num_users, depth]` item indices, NO_ITEM where there is none.
        broken_users: how many have a vector that is not finite, and no list.
    """

    per_user: dict[str, Floats]
    recommended: IntArray
    broken_users: int = 0

    def means(self) -> dict[str, float]:
        """Mean over users."""
        return {name: float(values.mean()) for name, values in self.per_user.items()}


def task(dataset: Dataset, split: Split, *, hide_history: bool = True, negatives: int = 0) -> Task:
    """The task that `split` (validation or test) poses: all splits before it are history.

    Without `hide_history` what users have taken is ranked again, as LLMInit's public code does.
    With `negatives`, only so many other items than those of the history compete with those to be
    found, drawn anew for each user; such figures can order models wrongly (Krichene and Rendle,
    KDD 2020).
    """
    before = [Split.TRAIN] if split is Split.VALIDATION else [Split.TRAIN, Split.VALIDATION]
    events = _first_of_each(dataset, np.flatnonzero(dataset.split == split.value))
    relevant = ItemLists.from_events(
        dataset.user_index[events], dataset.item_index[events], dataset.num_users
    )
    users = np.flatnonzero(relevant.lengths)
    histories, relevant = dataset.lists(*before).take(users), relevant.take(users)
    posed = Task(
        users, histories, relevant, None if hide_history else histories.last(0), None, events
    )
    if not negatives:
        return posed
    return replace(posed, candidates=_candidates(posed, dataset.num_items, negatives))


def _first_of_each(dataset: Dataset, events: IntArray) -> IntArray:
    """Those of `events` in which a user takes an item for the first time, in the same order."""
    pairs = dataset.user_index[events] * dataset.num_items + dataset.item_index[events]
    first: IntArray = events[np.sort(np.unique(pairs, return_index=True)[1])]
    return first


def _candidates(posed: Task, num_items: int, negatives: int) -> ItemLists:
    """What is to be found and `negatives` items that are not in the history either, per user."""
    rng = np.random.default_rng(0)
    lists = []
    for row in range(len(posed.users)):
        own = np.union1d(posed.relevant[row], posed.histories[row])
        drawn = rng.choice(num_items, min(num_items, negatives + len(own)), replace=False)
        others = drawn[~np.isin(drawn, own)][:negatives]
        lists.append(np.concatenate([posed.relevant[row], others]))
    return ItemLists.from_lists(lists)


@torch.inference_mode()
def evaluate_model(
    model: RetrievalModel,
    embeddings: Tensor,
    task: Task,
    cutoffs: tuple[int, ...],
    unranked: IntArray | None = None,
) -> Result:
    """Rank the whole catalogue for each user of `task` and measure at each of `cutoffs`.

    Items of a vector that isn't finite are recommended to nobody, and to users of such a vector
    nothing is.

    Args:
        model: what is judged.
        embeddings: `[num_items, embedding_dim]`.
        task: for whom, and what is right.
        cutoffs: the Ks.
        unranked: item indices that the model can't serve.
    """
    depth = min(max(cutoffs), len(embeddings))  # a small catalogue is ranked to its end
    vectors, broken = _finite(model.item_vectors(embeddings).cpu())
    hidden = broken if unranked is None else np.union1d(broken, unranked)
    search = ExactTopK(vectors, hidden)
    seen = task.seen or task.histories
    recommended = [np.empty((0, depth), dtype=np.int64)]
    broken_users = 0
    for start in range(0, len(task.users), USERS_AT_ONCE):
        block = np.arange(start, min(start + USERS_AT_ONCE, len(task.users)))
        users, lost = _finite(model.user_vectors(task.histories.take(block), embeddings).cpu())
        found = search.search(
            users,
            depth,
            exclude=seen.take(block),
            hindered=task.relevant.take(block),
            only=None if task.candidates is None else task.candidates.take(block),
        ).items
        found[lost] = NO_ITEM
        broken_users += len(lost)
        recommended.append(found)
    items = np.concatenate(recommended)
    return Result(measure(items, task.relevant, cutoffs), items, broken_users)


def measure(
    recommended: IntArray, relevant: ItemLists, cutoffs: tuple[int, ...]
) -> dict[str, Floats]:
    """Every metric of lists `recommended` `[num_users, depth]`, one value per user.

    Args:
        recommended: each item once, NO_ITEM where there is none.
        relevant: at least one item per user, each once.
        cutoffs: the Ks.
    """
    hits = find_hits(recommended, relevant)
    return {
        f"{name}@{k}": metric(hits, relevant.lengths, k)
        for k in cutoffs
        for name, metric in METRICS.items()
    }


def _finite(vectors: Tensor) -> tuple[Tensor, IntArray]:
    """`vectors` with zeros for those that are not finite, and which these are."""
    broken: NDArray[np.int64] = (~vectors.isfinite().all(dim=1)).nonzero()[:, 0].numpy()
    if not len(broken):
        return vectors, broken
    mended = vectors.clone()
    mended[broken] = 0.0
    return mended, broken
