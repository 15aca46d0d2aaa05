"""Slices are parts of the same test, by hand."""

import numpy as np
import pytest
import torch

from towerflow.evaluation.protocol import Task, evaluate_model
from towerflow.evaluation.slices import slice_metrics
from towerflow.interactions.histories import ItemLists
from towerflow.models.popularity import Popularity

NUM_ITEMS = 30
# Items 0, 1, 2, … by falling popularity: item i was taken 29 - i times.
MODEL = Popularity(torch.arange(NUM_ITEMS - 1, -1, -1, dtype=torch.float32))
TIMES_TAKEN = np.arange(NUM_ITEMS - 1, -1, -1)
EMBEDDINGS = torch.zeros(NUM_ITEMS, 1)
# User 0 has one item before, users 1 and 2 have four.
TASK = Task(
    np.arange(3),
    ItemLists.from_lists([[0], [1, 2, 3, 4], [5, 6, 7, 8]]),
    ItemLists.from_lists([[1], [0, 29], [25]]),
)


@pytest.fixture(scope="module")
def slices() -> dict[str, dict[str, float]]:
    result = evaluate_model(MODEL, EMBEDDINGS, TASK, (10,))
    return slice_metrics(MODEL, EMBEDDINGS, TASK, result, TIMES_TAKEN)


def test_users_fall_into_the_slice_of_their_history(slices: dict[str, dict[str, float]]) -> None:
    assert slices["users with 1 interaction before"] == {
        "users": 1,
        "recall@10": 1,
        "ndcg@10": 1,  # item 0 is hidden, so item 1 comes first
    }
    four = slices["users with 4 to 9 interactions before"]
    assert (four["users"], four["recall@10"]) == (2, (1 / 2 + 0) / 2)


def test_items_fall_into_the_slice_of_their_training(slices: dict[str, dict[str, float]]) -> None:
    assert slices["items with 0 interactions in training"]["users"] == 1  # item 29
    assert slices["items with 1 to 5 interactions in training"]["users"] == 1  # item 25
    popular = slices["items with 21 to 100 interactions in training"]
    assert (popular["users"], popular["recall@10"]) == (2, 1)  # users 0 and 1 each find theirs


def test_slices_without_anybody_are_left_out(slices: dict[str, dict[str, float]]) -> None:
    assert "users with 2 interactions before" not in slices
    assert not any("101 or more" in name for name in slices)


def test_users_without_a_history_have_a_slice_of_their_own() -> None:
    task = Task(np.arange(2), ItemLists.from_lists([[], [0]]), ItemLists.from_lists([[0], [25]]))
    result = evaluate_model(MODEL, EMBEDDINGS, task, (10,))
    slices = slice_metrics(MODEL, EMBEDDINGS, task, result, TIMES_TAKEN)
    cold = slices["users with 0 interactions before"]
    assert (cold["users"], cold["recall@10"]) == (1, 1)
    assert slices["users with 1 interaction before"]["users"] == 1


def test_what_was_seen_stays_hidden_when_the_model_may_know_less(
    slices: dict[str, dict[str, float]],
) -> None:
    whole = evaluate_model(MODEL, EMBEDDINGS, TASK, (10,)).means()
    for length in (1, 2, 3):  # popularity does not look at histories at all
        short = slices[f"everybody, as if only the last {length} were known"]
        assert short == {"users": 3, **whole}
