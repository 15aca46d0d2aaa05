"""All rules of exact search at once, in blocks of items and users, against plain sorting."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.retrieval import topk
from towerflow.retrieval.topk import NO_ITEM, ExactTopK

ONE_STEP = float(np.nextafter(np.float32(1), np.float32(2)))
TWO_STEPS = float(np.nextafter(np.float32(ONE_STEP), np.float32(2)))
LEVELS = (-1.0, 0.0, 1.0, ONE_STEP, TWO_STEPS)

Lists = list[list[int]]
Problem = tuple[list[list[float]], int, Lists, Lists | None, Lists | None, list[int] | None]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Scores, k, exclude, hindered, only and unranked."""
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    items = st.lists(st.integers(0, width - 1), unique=True)
    lists = st.lists(items, min_size=height, max_size=height)
    rows = st.lists(st.sampled_from(LEVELS), min_size=width, max_size=width)
    return (
        draw(st.lists(rows, min_size=height, max_size=height)),
        draw(st.integers(1, width)),
        draw(lists),
        draw(st.none() | lists),
        draw(st.none() | lists),
        draw(st.none() | items),
    )


def search(problem: Problem) -> tuple[list[list[int]], list[list[float]]]:
    """Items and scores; item vectors are the unit vectors, so users are their own scores."""
    scores, k, exclude, hindered, only, unranked = problem
    none = None if unranked is None else np.array(unranked, dtype=np.int64)
    found = ExactTopK(torch.eye(len(scores[0])), none).search(
        torch.tensor(scores, dtype=torch.float32),
        k,
        ItemLists.from_lists(exclude),
        None if hindered is None else ItemLists.from_lists(hindered),
        None if only is None else ItemLists.from_lists(only),
    )
    return found.items.tolist(), found.scores.tolist()


def by_sorting(problem: Problem) -> tuple[list[list[int]], list[list[float]]]:
    scores, k, exclude, hindered, only, unranked = problem
    items, values = [], []
    for user, row in enumerate(scores):
        lowered = np.array(row, dtype=np.float32)
        for item in hindered[user] if hindered else []:
            lowered[item] = np.nextafter(lowered[item], np.float32(-np.inf))
        left = [
            int(item)
            for item in np.argsort(-lowered, kind="stable")
            if item not in exclude[user]
            and item not in (unranked or [])
            and (only is None or item in only[user])
        ]
        items.append((left + [NO_ITEM] * k)[:k])
        values.append(([float(lowered[item]) for item in left] + [-np.inf] * k)[:k])
    return items, values


@given(problems())
def test_it_is_a_stable_argsort_under_all_rules(problem: Problem) -> None:
    assert search(problem) == by_sorting(problem)


@given(problems(), st.integers(1, 9), st.integers(1, 30))
def test_blocks_of_items_and_users_change_nothing(
    problem: Problem, items: int, scores: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "ITEMS_AT_ONCE", items)
        patch.setattr(topk, "SCORES_AT_ONCE", scores)
        assert search(problem) == by_sorting(problem)


@pytest.mark.parametrize("items_at_once", [1, 7, 64, 65, 1000])
def test_a_larger_catalogue_of_real_scores_is_cut_as_well(
    monkeypatch: pytest.MonkeyPatch, items_at_once: int
) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 130)).astype(np.float32).round(1).tolist()
    lists = [rng.permutation(130)[: rng.integers(0, 60)].tolist() for _ in range(90)]
    problem = (scores, 20, lists[:30], lists[30:60], [*lists[60:89], []], [3, 77])
    monkeypatch.setattr(topk, "ITEMS_AT_ONCE", items_at_once)
    assert search(problem) == by_sorting(problem)


@pytest.mark.parametrize(
    ("other", "winner"),
    [
        (-1.0, 0),
        (1.0, 1),  # a tie is lost, whatever the index
        (ONE_STEP, 1),
        (TWO_STEPS, 1),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_one_that_is_hindered_loses_ties(other: float, winner: int, swapped: bool) -> None:
    scores = [1.0, other]
    hindered = 0
    if swapped:
        scores, hindered, winner = scores[::-1], 1, 1 - winner
    assert search(([scores], 1, [[]], [[hindered]], None, None))[0] == [[winner]]


@pytest.mark.parametrize(("lead", "hindered_first"), [(1.0, 0), (ONE_STEP, None), (TWO_STEPS, 1)])
def test_one_that_is_hindered_keeps_a_lead_of_more_than_one_step(
    lead: float, hindered_first: int | None
) -> None:
    """With a lead of one step it ties, so that the index decides."""
    first = search(([[lead, 1.0]], 1, [[]], [[0]], None, None))[0] == [[0]]
    second = search(([[1.0, lead]], 1, [[]], [[1]], None, None))[0] == [[1]]
    if hindered_first is None:
        assert (first, second) == (True, False)
    else:
        assert first == second == bool(hindered_first)


def test_scores_of_zero_can_be_hindered_too() -> None:
    assert search(([[0.0, 0.0, 0.0]], 3, [[]], [[0, 1]], None, None))[0] == [[2, 0, 1]]


def test_hindering_belongs_to_its_user() -> None:
    scores = [[1.0, 1.0]] * 3
    found, _ = search((scores, 2, [[], [], []], [[0], [], [1]], None, None))
    assert found == [[1, 0], [0, 1], [0, 1]]


def test_of_no_candidates_nothing_is_recommended() -> None:
    found = search(([[1.0, 2.0]], 2, [[]], None, [[]], None))
    assert found == ([[NO_ITEM] * 2], [[-np.inf] * 2])
    assert search(([[1.0, 2.0]], 1, [[]], None, None, [0, 1]))[0] == [[NO_ITEM]]
