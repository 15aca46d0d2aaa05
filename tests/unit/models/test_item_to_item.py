"""Item-kNN and EASE on a log of four users, by hand."""

from math import sqrt

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models import item_to_item
from towerflow.models.item_to_item import (
    EaseConfig,
    ItemKNNConfig,
    ItemToItem,
    co_occurrences,
)

# Taken by: item 0 three users, item 1 three, item 2 two, item 3 nobody. User 1 took 2 twice.
LOG = ItemLists.from_lists([[0, 1], [2, 0, 1, 2], [1, 2], [0]])
TAKEN = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0]])
EMBEDDINGS = torch.zeros(4, 2)


def knn(shrinkage: float = 0.0, num_neighbours: int = 4) -> torch.Tensor:
    """The weights."""
    config = ItemKNNConfig(num_neighbours=num_neighbours, shrinkage=shrinkage)
    return ItemToItem.fit_item_knn(LOG, num_items=4, config=config).weights


def ease(log: ItemLists, num_items: int, l2: float) -> torch.Tensor:
    """The weights."""
    return ItemToItem.fit_ease(log, num_items, EaseConfig(l2=l2)).weights


def scores(model: ItemToItem, histories: list[list[int]], num_items: int = 4) -> torch.Tensor:
    """As evaluation computes them: the product of both towers."""
    embeddings = torch.zeros(num_items, 2)
    users = model.user_vectors(ItemLists.from_lists(histories), embeddings)
    return users @ model.item_vectors(embeddings).T


def test_co_occurrences_count_users() -> None:
    expected = [[3, 2, 1, 0], [2, 3, 2, 0], [1, 2, 2, 0], [0, 0, 0, 0]]
    assert co_occurrences(LOG, 4).tolist() == expected == (TAKEN.T @ TAKEN).tolist()


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 10.0])
def test_item_knn_is_the_shrunk_cosine_of_user_sets(shrinkage: float) -> None:
    near = 2 / (sqrt(3 * 3) + shrinkage)  # items 0 and 1: two users in common
    far = 1 / (sqrt(3 * 2) + shrinkage)  # 0 and 2
    next_to = 2 / (sqrt(3 * 2) + shrinkage)  # 1 and 2
    expected = [[0, near, far, 0], [near, 0, next_to, 0], [far, next_to, 0, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(knn(shrinkage), torch.tensor(expected), atol=1e-6, rtol=0)


def test_only_the_nearest_neighbours_vote_for_an_item() -> None:
    near, next_to = 2 / 3, 2 / sqrt(6)
    # 1 is the nearest of 0, 2 of 1, and 1 of 2: one weight in each column.
    expected = [[0, 0, 0, 0], [near, 0, next_to, 0], [0, next_to, 0, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(knn(num_neighbours=1), torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_neighbours", [1, 2, 3])
def test_no_item_has_more_neighbours_than_asked_for(num_neighbours: int) -> None:
    log = ItemLists.from_lists([[0, 1, 2, 3, 4], [0, 1], [2, 3]])
    config = ItemKNNConfig(num_neighbours=num_neighbours)
    weights = ItemToItem.fit_item_knn(log, 5, config).weights
    assert (weights > 0).sum(dim=0).tolist() == [num_neighbours] * 5


def test_more_neighbours_than_items_are_all_items() -> None:
    torch.testing.assert_close(knn(num_neighbours=100), knn(num_neighbours=3))


@pytest.mark.parametrize("l2", [0.5, 1.0, 100.0])
def test_ease_is_the_closed_form(l2: float) -> None:
    inverse = np.linalg.inv(TAKEN.T @ TAKEN + l2 * np.eye(4))
    expected = -inverse / np.diag(inverse)  # divides columns
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(ease(LOG, 4, l2).numpy(), expected, atol=1e-5)


def test_ease_of_two_items_by_hand() -> None:
    """XᵀX + I = [[3, 1], [1, 2]], whose inverse is [[2, -1], [-1, 3]] / 5."""
    weights = ease(ItemLists.from_lists([[0, 1], [0]]), 2, l2=1.0)
    torch.testing.assert_close(weights, torch.tensor([[0, 1 / 3], [1 / 2, 0]]))


def test_ease_solves_the_ridge_regression_of_each_item_on_the_others() -> None:
    weights = ease(LOG, 4, l2=2.0).numpy()
    for item in range(4):
        others = [other for other in range(4) if other != item]
        x = TAKEN[:, others]
        ridge = np.linalg.solve(x.T @ x + 2.0 * np.eye(3), x.T @ TAKEN[:, item])
        np.testing.assert_allclose(weights[others, item], ridge, atol=1e-5)


@pytest.mark.parametrize("weights", [knn(), ease(LOG, 4, l2=1.0)], ids=["item_knn", "ease"])
def test_an_item_does_not_vote_for_itself(weights: torch.Tensor) -> None:
    assert not weights.diagonal().any()
    assert weights.isfinite().all()


def test_a_score_is_the_sum_of_the_votes_of_the_history() -> None:
    weights = torch.arange(16.0).view(4, 4)
    found = scores(ItemToItem(weights), [[1], [3, 0], []])
    assert found.tolist() == [[4, 5, 6, 7], [12 + 0, 13 + 1, 14 + 2, 15 + 3], [0, 0, 0, 0]]


def test_an_item_taken_twice_votes_once() -> None:
    model = ItemToItem(knn())
    assert scores(model, [[1, 1, 0, 1]]).tolist() == scores(model, [[0, 1]]).tolist()


def test_new_items_score_zero_and_have_no_vote() -> None:
    known = ItemToItem(knn())
    model = known.for_items(np.array([0, 1, 2, 3, -1, -1]))
    found = scores(model, [[0, 5, 1], [4]], num_items=6)
    assert found[0, :4].tolist() == scores(known, [[0, 1]])[0].tolist()
    assert not found[:, 4:].any()
    assert not found[1].any()
    assert not model.serves_new_items


@pytest.mark.parametrize("kind", ["item_knn", "ease"])
def test_a_catalogue_too_large_is_refused(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(item_to_item, "MAX_ITEMS", 3)
    with pytest.raises(InputError, match=r"expected at most 3 items .*found 4"):
        _ = knn() if kind == "item_knn" else ease(LOG, 4, l2=1.0)
    monkeypatch.setattr(item_to_item, "MAX_ITEMS", 4)
    assert (knn() if kind == "item_knn" else ease(LOG, 4, l2=1.0)).shape == (4, 4)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="l2"):
        EaseConfig(l2=0)
    with pytest.raises(ValidationError, match="num_neighbours"):
        ItemKNNConfig(num_neighbours=0)
    with pytest.raises(ValidationError, match="shrinkage"):
        ItemKNNConfig(shrinkage=-1)
