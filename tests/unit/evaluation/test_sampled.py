"""Drawn items beside those to be found: as many as asked for, never taken, always the same."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evaluation.small_data import TEST, TRAIN, Event, Told, dataset
from towerflow.evaluation.protocol import CUTOFFS, evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.retrieval.topk import NO_ITEM


def shop(num_users: int = 20, num_items: int = 30) -> Dataset:
    """User u took items u, u + 1 and u + 2; then u + 3, twice, and u + 4."""
    steps = ((0, TRAIN), (1, TRAIN), (2, TRAIN), (3, TEST), (3, TEST), (4, TEST))
    events: list[Event] = [
        (user, (user + step) % num_items, split)
        for user in range(num_users)
        for step, split in steps
    ]
    return dataset(events, num_items)


@given(st.integers(1, 60), st.integers(5, 40))
def test_candidates_are_what_is_to_be_found_and_so_many_that_nobody_took(
    negatives: int, num_items: int
) -> None:
    posed = task(shop(5, num_items), TEST, negatives=negatives)
    assert posed.candidates is not None
    for row in range(len(posed.users)):
        candidates, relevant = posed.candidates[row].tolist(), posed.relevant[row].tolist()
        others = set(candidates) - set(relevant)
        assert set(relevant) < set(candidates) or num_items == 5
        assert len(candidates) == len(set(candidates))
        assert others.isdisjoint(posed.histories[row].tolist())
        assert len(others) == min(negatives, num_items - 5)  # five are the user's own
        assert others <= set(range(num_items))


def test_they_are_the_same_each_time_and_not_the_same_for_all() -> None:
    one, other = (task(shop(), TEST, negatives=9).candidates for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.items.tolist() == other.items.tolist()
    assert one.offsets.tolist() == other.offsets.tolist()
    assert len({tuple(one[row][2:] % 30) for row in range(len(one))}) > 1


def test_without_negatives_everything_competes() -> None:
    assert task(shop(), TEST).candidates is None


def test_every_item_is_drawn_about_equally_often() -> None:
    """500 users, 10 of the 26 that each didn't take: the least and the most are near the mean."""
    events: list[Event] = []
    for user in range(500):
        events += [(user, 0, TRAIN), (user, 1, TEST)]
    candidates = task(dataset(events, 28), TEST, negatives=10).candidates
    assert candidates is not None
    drawn = np.bincount(candidates.items, minlength=28)
    assert drawn[:2].tolist() == [0, 500]
    mean = 500 * 10 / 26
    assert drawn[2:].sum() == 500 * 10
    assert np.abs(drawn[2:] - mean).max() < 5 * np.sqrt(mean)


def test_only_candidates_are_ranked() -> None:
    data = shop()
    posed = task(data, TEST, negatives=6)
    scores = np.random.default_rng(0).normal(size=(data.num_users, data.num_items))
    result = evaluate_model(Told(scores), torch.zeros(data.num_items, 1), posed, CUTOFFS)
    assert posed.candidates is not None
    for row, recommended in enumerate(result.recommended.tolist()):
        own = posed.candidates[row]
        best = own[np.argsort(-scores[row, own])].tolist()
        assert recommended[: len(best)] == best
        assert set(recommended[len(best) :]) == {NO_ITEM}
    assert result.per_user["recall@10"].tolist() == [1] * data.num_users  # 8 of 8 are in the list


@pytest.mark.parametrize("hide_history", [True, False])
def test_the_history_is_no_candidate_even_if_it_is_not_hidden(hide_history: bool) -> None:
    posed = task(shop(), TEST, hide_history=hide_history, negatives=100)
    assert posed.candidates is not None
    for row in range(len(posed.users)):
        assert not np.isin(posed.candidates[row], posed.histories[row]).any()
        assert len(posed.candidates[row]) == 30 - 3


def test_a_constant_model_finds_nothing_among_few_either() -> None:
    data = shop()
    posed = task(data, TEST, negatives=6)
    constant = Told(np.zeros((data.num_users, data.num_items)))
    result = evaluate_model(constant, torch.zeros(data.num_items, 1), posed, (6, 7))
    assert set(result.per_user["recall@6"].tolist()) == {0}
    assert set(result.per_user["recall@7"].tolist()) == {1 / 2}
