"""The task: what came before is history, the whole catalogue competes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import Run
from tests.unit.evaluation.small_data import Told
from towerflow.evaluation import protocol
from towerflow.evaluation.protocol import Task, evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.popularity import Popularity
from towerflow.retrieval.topk import NO_ITEM
from towerflow.schema import Split


def test_validation_sees_training_and_test_sees_both(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    validation, test = task(data, Split.VALIDATION), task(data, Split.TEST)
    for user in range(data.num_users):
        everything = data.lists(*Split)[user].tolist()
        assert validation.histories[user].tolist() == everything[:-2]
        assert validation.relevant[user].tolist() == everything[-2:-1]
        assert test.histories[user].tolist() == everything[:-1]
        assert test.relevant[user].tolist() == everything[-1:]


def test_what_a_user_has_seen_is_never_recommended(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    test = task(data, Split.TEST)
    model = Popularity.fit(data.lists(Split.TRAIN), data.num_items)
    result = evaluate_model(model, torch.zeros(data.num_items, 1), test, (10,))
    for row in range(len(test.users)):
        assert not np.isin(result.recommended[row], test.histories[row]).any()


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_blocks_of_users_change_nothing(
    shop_run: Run, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    data = Dataset.open(shop_run.dataset)
    test = task(data, Split.TEST)
    short = Task(test.users, test.histories.last(2), test.relevant, seen=test.histories)
    model = ContentMean.fit(torch.eye(data.num_items), ContentMeanConfig(standardise=False))
    for given in (test, short):
        monkeypatch.setattr(protocol, "USERS_AT_ONCE", 4096)
        whole = evaluate_model(model, torch.eye(data.num_items), given, (10,))
        monkeypatch.setattr(protocol, "USERS_AT_ONCE", at_once)
        parts = evaluate_model(model, torch.eye(data.num_items), given, (10,))
        assert np.array_equal(parts.recommended, whole.recommended)
        assert parts.means() == whole.means()


def test_a_catalogue_smaller_than_k_is_ranked_whole() -> None:
    model = Popularity(torch.tensor([3.0, 2.0, 1.0]))
    test = Task(np.array([0]), ItemLists.from_lists([[0]]), ItemLists.from_lists([[2]]))
    means = evaluate_model(model, torch.zeros(3, 1), test, (10,)).means()
    assert (means["recall@10"], means["ndcg@10"]) == (1.0, 1 / np.log2(3))


@pytest.mark.parametrize("at_once", [1, 2, 5, 4096])
def test_users_whose_vector_is_not_finite_are_counted_in_all_blocks(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """They are given nothing; the others are served."""
    monkeypatch.setattr(protocol, "USERS_AT_ONCE", at_once)
    table = np.ones((5, 3))
    table[0, 1], table[3, 0], table[4, 2] = np.nan, np.inf, -np.inf
    everybody = replace(ItemLists.from_lists([[0]] * 5), user_index=np.arange(5))
    test = Task(np.arange(5), everybody, ItemLists.from_lists([[2]] * 5))
    result = evaluate_model(Told(table), torch.zeros(3, 1), test, (10,))
    assert result.broken_users == 3
    assert (result.recommended == NO_ITEM).all(axis=1).tolist() == [True, False, False, True, True]
    sound = evaluate_model(Told(np.ones((5, 3))), torch.zeros(3, 1), test, (10,))
    assert sound.broken_users == 0
