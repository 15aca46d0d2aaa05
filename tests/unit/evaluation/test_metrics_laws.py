"""What holds for every metric, whatever the lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation.metrics import METRICS, find_hits
from towerflow.evaluation.protocol import measure
from towerflow.interactions.histories import ItemLists
from towerflow.retrieval.topk import NO_ITEM

CUTOFFS = (1, 2, 3, 5, 8, 20)
marks = st.lists(st.booleans(), max_size=8)
missed = st.integers(0, 4)


def values(row: list[bool], num_relevant: int) -> np.ndarray:
    """Every metric at every cut-off, of one user."""
    hits, relevant = np.array([row], dtype=bool).reshape(1, len(row)), np.array([num_relevant])
    return np.array([metric(hits, relevant, k)[0] for metric in METRICS.values() for k in CUTOFFS])


def is_no_worse(better: np.ndarray, worse: np.ndarray) -> bool:
    return bool((better >= worse - 1e-12).all())


@given(marks, missed)
def test_all_are_from_zero_to_one(row: list[bool], missed: int) -> None:
    found = values(row, max(1, sum(row) + missed))
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()


@given(marks.filter(len), missed, st.data())
def test_a_hit_in_place_of_a_miss_lowers_none(
    row: list[bool], missed: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(row) - 1))
    better = [*row[:place], True, *row[place + 1 :]]
    num_relevant = max(1, sum(better) + missed)
    assert is_no_worse(values(better, num_relevant), values(row, num_relevant))


@given(marks.filter(len), missed, st.data())
def test_a_hit_moved_up_lowers_none(row: list[bool], missed: int, data: st.DataObject) -> None:
    """It changes places with what stood above, or pushes what stood between down by one."""
    lower = data.draw(st.integers(0, len(row) - 1))
    upper = data.draw(st.integers(0, lower))
    row[lower] = True
    num_relevant = sum(row) + missed
    pushed = row[:lower] + row[lower + 1 :]
    pushed.insert(upper, True)
    swapped = row.copy()
    swapped[upper], swapped[lower] = row[lower], row[upper]
    for better in (pushed, swapped):
        assert is_no_worse(values(better, num_relevant), values(row, num_relevant))


@given(marks, missed)
def test_all_but_ndcg_only_grow_with_k(row: list[bool], missed: int) -> None:
    """MAP too: it is divided by all that is relevant, not by K."""
    found = values(row, max(1, sum(row) + missed)).reshape(len(METRICS), len(CUTOFFS))
    for name, at_k in zip(METRICS, found, strict=True):
        assert name == "ndcg" or (np.diff(at_k) >= -1e-12).all()


@pytest.mark.parametrize("num_relevant", [1, 3, 8])
def test_a_perfect_list_is_worth_one_where_it_can_be(num_relevant: int) -> None:
    row = [place < num_relevant for place in range(20)]
    found = dict(zip(METRICS, values(row, num_relevant).reshape(len(METRICS), -1), strict=True))
    for name in ("ndcg", "hit_rate", "mrr"):
        assert found[name] == pytest.approx(1)
    shares = [min(k, num_relevant) / num_relevant for k in CUTOFFS]
    assert found["recall"] == pytest.approx(shares)
    assert found["map"] == pytest.approx(shares)


lists = st.integers(0, 5).flatmap(
    lambda depth: st.lists(
        st.permutations(range(6)).map(lambda items: items[:depth]), min_size=1, max_size=4
    )
)


@given(lists, st.data())
def test_a_hit_is_an_item_of_the_users_own_list(rows: list[list[int]], data: st.DataObject) -> None:
    some = st.lists(st.integers(0, 9), unique=True)
    relevant = [data.draw(some) for _ in rows]
    cuts = [data.draw(st.integers(0, len(row))) for row in rows]
    padded = [row[:cut] + [NO_ITEM] * (len(row) - cut) for row, cut in zip(rows, cuts, strict=True)]
    lists = np.array(padded, dtype=np.int64).reshape(len(rows), -1)
    expected = [
        [item in wanted for item in row] for row, wanted in zip(padded, relevant, strict=True)
    ]
    assert find_hits(lists, ItemLists.from_lists(relevant)).tolist() == expected


@given(lists, st.data())
def test_the_order_of_users_changes_no_users_values(
    rows: list[list[int]], data: st.DataObject
) -> None:
    some = st.lists(st.integers(0, 5), unique=True, min_size=1)
    relevant = ItemLists.from_lists([data.draw(some) for _ in rows])
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    recommended = np.array(rows, dtype=np.int64).reshape(len(rows), -1)
    found = measure(recommended, relevant, CUTOFFS)
    shuffled = measure(recommended[order], relevant.take(order), CUTOFFS)
    assert found.keys() == {f"{name}@{k}" for name in METRICS for k in CUTOFFS}
    for name, per_user in found.items():
        assert shuffled[name].tolist() == per_user[order].tolist()
