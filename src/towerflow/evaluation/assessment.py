"""Models on the same held-out data, with all that is said of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from torch import Tensor

from towerflow.evaluation.beyond import coverage, exposure, gini, intra_list_diversity, novelty
from towerflow.evaluation.metrics import Floats
from towerflow.evaluation.metrics_file import SliceMetrics
from towerflow.evaluation.popularity_groups import Exposure, PopularityGroups, exposures
from towerflow.evaluation.protocol import CUTOFFS, PRIMARY_METRIC, Result, Task, evaluate_model
from towerflow.evaluation.resampling import Change, Interval
from towerflow.evaluation.slices import AS_IF_NEW, SLICE_CUTOFF, find_slices, measure_slice
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.schema import Split

LIST_LENGTH: Final = 10  # what a person is shown: beyond-accuracy metrics look at so many places
SHORTENED_TO: Final = (1, 2, 3)


@dataclass(frozen=True)
class HeldOut:
    """What all models are judged by.

    Attributes:
        data: the Dataset.
        embeddings: `[num_items, embedding_dim]` of today's encoder.
        task: for whom, and what is right.
        popularity: `[num_items]` users who took each in training.
        num_trained: users of training.
        groups: of the items, by popularity.
    """

    data: Dataset
    embeddings: Tensor
    task: Task
    popularity: IntArray
    num_trained: int
    groups: PopularityGroups

    @classmethod
    def of(cls, data: Dataset, embeddings: Tensor, task: Task) -> Self:
        """What `task` asks; popularity is of the TRAIN split, where each user counts once."""
        train = data.split == Split.TRAIN.value
        pairs = np.unique(data.item_index[train] * data.num_users + data.user_index[train])
        popularity = np.bincount(pairs // data.num_users, minlength=data.num_items)
        num_trained = len(np.unique(data.user_index[train]))
        groups = PopularityGroups.of(popularity)
        return cls(data, embeddings, task, popularity, num_trained, groups)


@dataclass(frozen=True)
class Judged:
    """A model on a test.

    Attributes:
        result: its lists, and what they found.
        per_user: `[num_users]` by metric; more than `result` has.
        means: over users, and what is of the whole catalogue.
        exposure: who is recommended.
    """

    result: Result
    per_user: dict[str, Floats]
    means: dict[str, float]
    exposure: list[Exposure]

    @property
    def primary(self) -> Floats:
        """`[num_users]` of the primary metric."""
        return self.per_user[PRIMARY_METRIC]


def judge(
    model: RetrievalModel, embeddings: Tensor, test: HeldOut, unranked: IntArray | None = None
) -> Judged:
    """Everything about `model`, which reads `embeddings` and can't serve `unranked` items."""
    result = evaluate_model(model, embeddings, test.task, CUTOFFS, unranked)
    lists = result.recommended[:, :LIST_LENGTH]
    shown = exposure(lists, test.data.num_items)
    per_user = {
        **result.per_user,
        f"novelty@{LIST_LENGTH}": novelty(lists, test.popularity, test.num_trained),
        f"intra_list_diversity@{LIST_LENGTH}": intra_list_diversity(lists, test.embeddings),
    }
    return Judged(
        result,
        per_user,
        means={
            **{name: float(values.mean()) for name, values in per_user.items()},
            f"coverage@{LIST_LENGTH}": coverage(shown),
            f"gini@{LIST_LENGTH}": gini(shown),
        },
        exposure=exposures(
            test.groups,
            test.popularity,
            np.bincount(test.task.relevant.items, minlength=test.data.num_items),
            shown,
        ),
    )


def slice_all(test: HeldOut, model: Judged, champion: Judged | None) -> dict[str, SliceMetrics]:
    """Both models on all slices of the test, by name."""
    found = {}
    for part in find_slices(test.data, test.task, test.groups):
        own = measure_slice(part, test.task, model.result)
        other = measure_slice(part, test.task, champion.result) if champion else None
        found[part.name] = SliceMetrics(
            description=part.description,
            users=len(own.users),
            metrics=_means(own.per_user),
            interval=Interval.of(own.per_user[PRIMARY_METRIC]),
            champion=_means(other.per_user) if other else None,
            change=Change.of(own.per_user[PRIMARY_METRIC], other.per_user[PRIMARY_METRIC])
            if other
            else None,
        )
    return found


def as_if_new(
    test: HeldOut, model: RetrievalModel, embeddings: Tensor
) -> Iterator[tuple[str, SliceMetrics]]:
    """Everybody with a history cut to the last items, as if they had just come.

    What a user has seen stays hidden.
    """
    task = test.task
    for length in SHORTENED_TO:
        strangers = replace(task.histories.last(length), user_index=None)
        short = replace(task, histories=strangers, seen=task.seen or task.histories)
        per_user = evaluate_model(model, embeddings, short, (SLICE_CUTOFF,)).per_user
        yield (
            f"{AS_IF_NEW}: last {length}",
            SliceMetrics(
                description=f"everybody, as if only the last {length} were known",
                users=len(task.users),
                metrics=_means(per_user),
                interval=Interval.of(per_user[PRIMARY_METRIC]),
                champion=None,
                change=None,
            ),
        )


def _means(per_user: dict[str, Floats]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in per_user.items()}
