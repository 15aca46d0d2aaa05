"""Equal scores: the lower index comes first, and is in where there is not room for all."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.retrieval.topk import NO_ITEM, ExactTopK

# Each row is a user with scores of its own: the item vectors are the unit vectors.
tables = st.integers(1, 9).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=width, max_size=width),
        min_size=1,
        max_size=5,
    )
)


def best(scores: list[list[float]], k: int, exclude: list[list[int]] | None = None) -> list[object]:
    nothing: list[list[int]] = [[] for _ in scores]
    search = ExactTopK(torch.eye(len(scores[0])))
    found = search.search(
        torch.tensor(scores, dtype=torch.float32), k, ItemLists.from_lists(exclude or nothing)
    )
    items: list[object] = found.items.tolist()
    return items


@pytest.mark.parametrize(
    ("scores", "k", "expected"),
    [
        ([1, 1, 1, 1], 2, [0, 1]),
        ([0, 1, 0, 1], 1, [1]),
        ([0, 1, 0, 1], 2, [1, 3]),
        ([0, 1, 0, 1], 3, [1, 3, 0]),
        ([0, 1, 0, 1], 4, [1, 3, 0, 2]),
        ([2, 3, 2, 3, 2], 3, [1, 3, 0]),
        ([2, 3, 2, 3, 1], 4, [1, 3, 0, 2]),
    ],
)
def test_ties_by_eye(scores: list[float], k: int, expected: list[int]) -> None:
    assert best([scores], k) == [expected]


def test_rows_with_and_without_ties_stand_side_by_side() -> None:
    scores = [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [3.0, 1.0, 3.0], [0.0, 5.0, 5.0]]
    assert best(scores, 1) == [[2], [0], [0], [1]]
    assert best(scores, 2) == [[2, 1], [0, 1], [0, 2], [1, 2]]


@given(tables, st.data())
def test_it_is_a_stable_argsort_of_what_is_not_excluded(
    scores: list[list[float]], data: st.DataObject
) -> None:
    width = len(scores[0])
    k = data.draw(st.integers(1, width))
    seen = st.lists(st.integers(0, width - 1), unique=True)
    exclude = [data.draw(seen) for _ in scores]
    expected = []
    for row, hidden in zip(scores, exclude, strict=True):
        order = [item for item in np.argsort(-np.array(row), kind="stable") if item not in hidden]
        expected.append((order + [NO_ITEM] * k)[:k])
    assert best(scores, k, exclude) == expected


@pytest.mark.parametrize("k", [1, 50, 299, 300])
def test_many_equal_scores_are_taken_from_the_front(k: int) -> None:
    """More than sorting networks for short rows would see."""
    assert best([[1.0] * 300], k) == [list(range(k))]
    raised = [1.0] * 300
    raised[299] = 2.0
    assert best([raised], k) == [[299, *range(k - 1)]]
