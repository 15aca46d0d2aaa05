"""Every metric is that of `ranx`, an independent library, over rankings made by plain sorting."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ranx import Qrels, evaluate
from ranx import Run as RanxRun

from tests.unit.evaluation.small_data import TEST, TRAIN, Event, Told, dataset
from towerflow.evaluation.metrics import METRICS
from towerflow.evaluation.protocol import CUTOFFS, Task, evaluate_model, task
from towerflow.retrieval.topk import NO_ITEM

pytestmark = pytest.mark.filterwarnings("ignore:unsafe cast")  # within ranx

NAMES = [f"{metric}@{k}" for metric in METRICS for k in CUTOFFS]
USERS_OF_A_KIND = 40
ALL_TIED, NO_HITS, NEARLY_ALL_SEEN, ONE_TO_FIND, ANY = range(5)
KINDS = 5
LARGE, SMALL = 60, 4  # catalogues; the small one is smaller than most cut-offs


@dataclass(frozen=True)
class Case:
    """Users of all kinds over one catalogue."""

    task: Task
    scores: np.ndarray  # [num_users, num_items]
    found: dict[str, np.ndarray]
    recommended: np.ndarray


def make_case(num_items: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    scores = rng.integers(0, 4, (KINDS * USERS_OF_A_KIND, num_items)).astype(float)
    for user in range(len(scores)):
        kind = user // USERS_OF_A_KIND
        length = num_items - 2 if kind == NEARLY_ALL_SEEN else num_items // 4
        history = rng.choice(num_items, length, replace=False)
        unseen = np.setdiff1d(np.arange(num_items), history)
        # More than once, and, for some, what was taken before: the latter is hidden.
        taken = rng.choice(unseen, 1 if kind == ONE_TO_FIND else rng.integers(1, 9))
        if kind == ANY:
            taken = np.concatenate([taken, rng.choice(history, 1)])
        if kind == ALL_TIED:
            scores[user] = 1.0
        if kind == NO_HITS:
            scores[user, taken] = -1.0
        events += [(user, int(item), TRAIN) for item in history]
        events += [(user, int(item), TEST) for item in taken]
    posed = task(dataset(events, num_items), TEST)
    result = evaluate_model(Told(scores), torch.zeros(num_items, 1), posed, CUTOFFS)
    return Case(posed, scores, result.per_user, result.recommended)


def worst_ranking(case: Case, user: int) -> list[int]:
    """What was not seen by falling score; of what ties, what is to be found comes last."""
    seen, relevant = case.task.histories[user].tolist(), case.task.relevant[user].tolist()
    left = [item for item in range(case.scores.shape[1]) if item not in seen]
    return sorted(left, key=lambda item: (-case.scores[user, item], item in relevant, item))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [make_case(LARGE, 1), make_case(SMALL, 2)]


@pytest.fixture(scope="module")
def oracle(cases: list[Case]) -> dict[str, np.ndarray]:
    """By metric, one value per user of all cases; a single call, since ranx compiles for long."""
    relevant, ranked = {}, {}
    for number, case in enumerate(cases):
        for user in range(len(case.task.users)):
            name = f"{number} {user:04d}"
            relevant[name] = {str(item): 1 for item in case.task.relevant[user].tolist()}
            ranking = [str(item) for item in worst_ranking(case, user)] or ["nothing"]
            ranked[name] = {item: float(-place) for place, item in enumerate(ranking)}
    found: dict[str, np.ndarray] = evaluate(
        Qrels(relevant), RanxRun(ranked), NAMES, return_mean=False
    )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_that_of_ranx_for_every_user(
    name: str, cases: list[Case], oracle: dict[str, np.ndarray]
) -> None:
    ours = np.concatenate([case.found[name] for case in cases])
    assert len(ours) == len(cases) * KINDS * USERS_OF_A_KIND
    assert ours == pytest.approx(oracle[name], abs=1e-9, rel=0)


def test_the_lists_are_those_of_plain_sorting(cases: list[Case]) -> None:
    for case in cases:
        depth = case.recommended.shape[1]
        for user, row in enumerate(case.recommended.tolist()):
            assert row == (worst_ranking(case, user) + [NO_ITEM] * depth)[:depth]


def test_the_cases_are_what_they_are_said_to_be(cases: list[Case]) -> None:
    large, small = cases
    users = [slice(kind * USERS_OF_A_KIND, (kind + 1) * USERS_OF_A_KIND) for kind in range(KINDS)]
    assert (large.task.relevant.lengths > 1).mean() > 0.5
    assert not large.found["hit_rate@20"][users[NO_HITS]].any()
    assert (large.recommended[users[NEARLY_ALL_SEEN], 2:] == NO_ITEM).all()
    assert (large.task.relevant.lengths[users[ONE_TO_FIND]] == 1).all()
    assert small.recommended.shape[1] == SMALL < max(CUTOFFS)
    values = np.concatenate([large.found[name] for name in NAMES])
    assert len(np.unique(values.round(9))) > 100


def test_a_constant_model_is_given_the_worst_of_all_orders(cases: list[Case]) -> None:
    """Of n items left, r to be found stand at the last r places: the first of them at n - r + 1."""
    large = cases[0]
    for user in range(USERS_OF_A_KIND):
        left = LARGE - len(large.task.histories[user])
        to_find = len(large.task.relevant[user])
        first = left - to_find + 1
        for k in CUTOFFS:
            assert large.found[f"recall@{k}"][user] == max(0, min(k, left) - first + 1) / to_find
            assert large.found[f"mrr@{k}"][user] == (1 / first if k >= first else 0)
