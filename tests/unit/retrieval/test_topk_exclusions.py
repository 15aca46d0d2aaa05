"""Exclusions belong to their user, in every block of users."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.retrieval import topk
from towerflow.retrieval.topk import NO_ITEM, ExactTopK

NUM_ITEMS = 6
# Item i scores NUM_ITEMS - i for everybody, so the best of what is left is the lowest index.
ITEMS = np.arange(NUM_ITEMS, 0, -1, dtype=np.float32).reshape(-1, 1)
exclusions = st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), unique=True), min_size=1, max_size=7)


@pytest.fixture(scope="module", autouse=True)
def _two_users_a_block() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "SCORES_AT_ONCE", 2 * NUM_ITEMS)
        yield


@given(exclusions, st.integers(1, NUM_ITEMS))
def test_everybody_gets_the_best_of_what_they_have_not_seen(
    exclude: list[list[int]], k: int
) -> None:
    users = torch.ones(len(exclude), 1)
    left = [[item for item in range(NUM_ITEMS) if item not in seen] for seen in exclude]
    items = [(row + [NO_ITEM] * k)[:k] for row in left]
    scores = [([float(NUM_ITEMS - i) for i in row] + [-np.inf] * k)[:k] for row in left]
    search = ExactTopK(torch.from_numpy(ITEMS))
    found = search.search(users, k, ItemLists.from_lists(exclude))
    assert found.items.tolist() == items
    assert found.scores.tolist() == scores


def test_who_has_seen_everything_gets_nothing() -> None:
    everything = ItemLists.from_lists([range(NUM_ITEMS)])
    found = ExactTopK(torch.from_numpy(ITEMS)).search(torch.ones(1, 1), 2, everything)
    assert found.items.tolist() == [[NO_ITEM, NO_ITEM]]
    assert found.scores.tolist() == [[-np.inf, -np.inf]]


def test_searching_leaves_the_vectors_as_they_were() -> None:
    users, items = torch.ones(3, 1), torch.from_numpy(ITEMS.copy())
    exclude = ItemLists.from_lists([[0], [1], [2]])
    ExactTopK(items).search(users, 2, exclude)
    assert items.numpy().tolist() == ITEMS.tolist()
    assert users.tolist() == [[1], [1], [1]]


def test_more_than_the_catalogue_can_not_be_asked_of_exact_search() -> None:
    with pytest.raises(AssertionError, match="k = 7 of 6 items"):
        ExactTopK(torch.from_numpy(ITEMS)).search(torch.ones(1, 1), 7, ItemLists.from_lists([[]]))
