"""Metrics against arithmetic by hand, a plain loop, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation.metrics import find_hits, ndcg, recall
from towerflow.interactions.histories import ItemLists
from towerflow.retrieval.topk import NO_ITEM


def hits(*rows: str) -> np.ndarray:
    """`hits("01")`: one user whose second item is relevant."""
    return np.array([[mark == "1" for mark in row] for row in rows])


def test_one_relevant_item_is_found_or_not() -> None:
    found = hits("100", "001", "000")
    one = np.array([1, 1, 1])
    assert recall(found, one, 1).tolist() == [1, 0, 0]
    assert recall(found, one, 3).tolist() == [1, 1, 0]
    assert ndcg(found, one, 3) == pytest.approx([1 / math.log2(2), 1 / math.log2(4), 0])


def test_several_relevant_items() -> None:
    found = hits("101")
    three = np.array([3])
    assert recall(found, three, 3) == pytest.approx(2 / 3)
    gained = 1 / math.log2(2) + 1 / math.log2(4)
    ideal = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(found, three, 3) == pytest.approx(gained / ideal)


def test_the_ideal_list_is_cut_at_k() -> None:
    assert ndcg(hits("11"), np.array([5]), 2) == pytest.approx(1.0)


def test_k_beyond_the_list_counts_what_is_there() -> None:
    assert recall(hits("01"), np.array([1]), 50) == pytest.approx(1.0)
    assert ndcg(hits("01"), np.array([1]), 50) == pytest.approx(1 / math.log2(3))


def test_an_empty_place_is_never_a_hit() -> None:
    recommended = np.array([[2, NO_ITEM], [NO_ITEM, NO_ITEM]])
    relevant = ItemLists.from_lists([[2, 3], [1]])
    assert find_hits(recommended, relevant).tolist() == [[True, False], [False, False]]


marks = st.lists(st.booleans(), min_size=1, max_size=8)


@given(marks, st.integers(0, 3), st.integers(1, 10))
def test_metrics_equal_a_plain_loop(row: list[bool], missed: int, k: int) -> None:
    num_relevant = max(1, sum(row) + missed)
    found = sum(row[:k])
    gained = sum(1 / math.log2(rank + 1) for rank, mark in enumerate(row[:k], 1) if mark)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(num_relevant, k) + 1))
    arguments = np.array([row]), np.array([num_relevant]), k
    assert recall(*arguments) == pytest.approx(found / num_relevant)
    assert ndcg(*arguments) == pytest.approx(gained / ideal)


@given(marks, st.data())
def test_a_relevant_item_moved_up_never_lowers_a_metric(
    row: list[bool], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(row)))
    lower = data.draw(st.integers(0, len(row) - 1))
    upper = data.draw(st.integers(0, lower))
    if row[upper] or not row[lower]:
        return
    better = row.copy()
    better[upper], better[lower] = True, False
    relevant = np.array([max(1, sum(row))])
    for metric in (recall, ndcg):
        assert metric(np.array([better]), relevant, k) >= metric(np.array([row]), relevant, k)


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_perfect_list_scores_one_and_a_useless_one_nothing(num_relevant: int, k: int) -> None:
    perfect = np.array([[rank <= num_relevant for rank in range(1, 9)]])
    relevant = np.array([num_relevant])
    assert ndcg(perfect, relevant, k) == pytest.approx(1)
    assert recall(perfect, relevant, k) == pytest.approx(min(k, num_relevant) / num_relevant)
    assert ndcg(~perfect & False, relevant, k) == recall(~perfect & False, relevant, k) == 0
