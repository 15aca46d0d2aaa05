"""Exact search against a NumPy argsort."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.retrieval import topk
from towerflow.retrieval.topk import NO_ITEM, ExactTopK


def by_argsort(
    users: np.ndarray, items: np.ndarray, k: int, exclude: list[list[int]]
) -> list[list[int]]:
    """Best k items per user; ties by lower index."""
    results = []
    for user, seen in zip(users, exclude, strict=True):
        order = [int(i) for i in np.argsort(-(items @ user), kind="stable") if i not in seen]
        results.append((order + [NO_ITEM] * k)[:k])
    return results


@st.composite
def problems(draw: st.DrawFn, *, ties: bool) -> tuple[np.ndarray, np.ndarray, int, list[list[int]]]:
    """Users, items, k and what each user has seen."""
    num_items, num_users = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    if ties:  # small whole numbers: many equal scores, and exact in any order of summation
        users = rng.integers(-1, 2, (num_users, 2)).astype(np.float32)
        items = rng.integers(-1, 2, (num_items, 2)).astype(np.float32)
    else:
        users = rng.standard_normal((num_users, 3)).astype(np.float32)
        items = rng.standard_normal((num_items, 3)).astype(np.float32)
    seen = st.lists(st.integers(0, num_items - 1), unique=True)
    return users, items, draw(st.integers(1, num_items)), [draw(seen) for _ in range(num_users)]


@given(problems(ties=True))
def test_exact_search_is_a_stable_argsort_ties_and_all(
    problem: tuple[np.ndarray, np.ndarray, int, list[list[int]]],
) -> None:
    users, items, k, exclude = problem
    found = ExactTopK(torch.from_numpy(items)).search(
        torch.from_numpy(users), k, ItemLists.from_lists(exclude)
    )
    assert found.items.tolist() == by_argsort(users, items, k, exclude)


@given(problems(ties=False))
def test_it_agrees_with_argsort_and_gives_the_scores(
    problem: tuple[np.ndarray, np.ndarray, int, list[list[int]]],
) -> None:
    users, items, k, exclude = problem
    expected = by_argsort(users, items, k, exclude)
    search = ExactTopK(torch.from_numpy(items))
    found = search.search(torch.from_numpy(users), k, ItemLists.from_lists(exclude))
    assert found.items.tolist() == expected
    scores = [
        [items[item] @ user if item != NO_ITEM else -np.inf for item in row]
        for user, row in zip(users, expected, strict=True)
    ]
    np.testing.assert_allclose(found.scores, scores, rtol=1e-4, atol=1e-5)


def test_blocks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = torch.randn(9, 4), torch.randn(20, 4)
    nothing = ItemLists.from_lists([[]] * 9)
    at_once = ExactTopK(items).search(users, 5, nothing)
    monkeypatch.setattr(topk, "SCORES_AT_ONCE", 40)
    in_blocks = ExactTopK(items).search(users, 5, nothing)
    assert in_blocks.items.tolist() == at_once.items.tolist()


def test_nobody_gets_nothing() -> None:
    nobody = ItemLists.from_lists([])
    found = ExactTopK(torch.ones(3, 2)).search(torch.empty(0, 2), 2, nobody)
    assert found.items.shape == found.scores.shape == (0, 2)
