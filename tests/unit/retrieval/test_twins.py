"""Items with equal vectors score the same, wherever they stand; no others are taken for equal."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from towerflow.interactions.histories import ItemLists
from towerflow.retrieval import topk, twins
from towerflow.retrieval.topk import NO_ITEM, ExactTopK
from towerflow.retrieval.twins import Twins

Rows = list[tuple[float, ...]]


def sets(vectors: Tensor) -> list[list[int]]:
    """The items of each set, and that each set's vector is theirs."""
    found = Twins.among(vectors)
    assert found.items.tolist() == sorted(set(found.items.tolist()))
    assert len(found.of) == len(found.items)
    for item, of in zip(found.items.tolist(), found.of.tolist(), strict=True):
        assert torch.equal(found.vectors[of], vectors[item])
    groups: dict[int, list[int]] = {number: [] for number in range(len(found.vectors))}
    for item, of in zip(found.items.tolist(), found.of.tolist(), strict=True):
        groups[of].append(item)
    return sorted(groups.values())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 2], [1, 2]], [[0, 1]]),
        ([[1, 2], [2, 1]], []),
        ([[1, 2], [0, 0], [3, 4], [1, 2], [0, 0], [1, 2]], [[0, 3, 5], [1, 4]]),
        ([[0.0, -0.0], [-0.0, 0.0], [0.0, 0.0], [-0.0, -0.0]], [[0, 1, 2, 3]]),
        ([[1.0, -0.0], [-1.0, 0.0], [1.0, 0.0]], [[0, 2]]),
        ([[1, 2]], []),
        ([[0, 0]], []),
        ([[5, 5]] * 4, [[0, 1, 2, 3]]),
        ([[1], [2], [3]], []),
        ([[1e-45], [0.0], [1e-45]], [[0, 2]]),  # the smallest number that there is
        ([[1, 2, 3], [1, 2, 3], [3, 2, 1], [1, 2, 3.0000002]], [[0, 1]]),
    ],
)
def test_sets_by_eye(rows: list[list[float]], expected: list[list[int]]) -> None:
    assert sets(torch.tensor(rows, dtype=torch.float32)) == expected


numbers = st.sampled_from([-1.0, -0.0, 0.0, 1.0, 2.0, 1e-45]) | st.floats(-4, 4, width=32)
catalogues = st.integers(1, 3).flatmap(
    lambda dim: st.lists(st.tuples(*[numbers] * dim), min_size=1, max_size=15)
)
# Of few values, so that there are twins.
crowds = st.integers(1, 3).flatmap(
    lambda dim: st.lists(
        st.tuples(*[st.sampled_from([-1.0, -0.0, 0.0, 1.0])] * dim), min_size=1, max_size=25
    )
)


@pytest.mark.parametrize("at_once", [1, 5, twins.NUMBERS_AT_ONCE])
@given(rows=catalogues | crowds)
def test_sets_are_what_python_takes_for_equal(rows: Rows, at_once: int) -> None:
    expected: dict[tuple[float, ...], list[int]] = {}
    for item, row in enumerate(rows):
        expected.setdefault(row, []).append(item)  # to a dict, too, 0 is -0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twins, "NUMBERS_AT_ONCE", at_once)
        found = sets(torch.tensor(rows, dtype=torch.float32))
    assert found == sorted(items for items in expected.values() if len(items) > 1)


@given(rows=crowds, seed=st.integers(0, 99), width=st.integers(1, 30))
def test_in_every_block_twins_get_the_score_of_their_set(rows: Rows, seed: int, width: int) -> None:
    """What others score is not touched."""
    vectors = torch.tensor(rows, dtype=torch.float32)
    users = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, vectors.shape[1]))).float()
    found = Twins.among(vectors)
    untouched = torch.arange(3 * len(rows), dtype=torch.float32).reshape(3, -1) + 1000
    expected = untouched.clone()
    of_sets = users @ found.vectors.T
    for item, of in zip(found.items.tolist(), found.of.tolist(), strict=True):
        expected[:, item] = of_sets[:, of]
    levelled = []
    for start in range(0, len(rows), width):
        block = untouched[:, start : start + width].clone()
        found.level(block, start, users @ found.vectors.T)
        levelled.append(block)
    assert torch.equal(torch.cat(levelled, dim=1), expected)


def test_a_block_without_twins_is_left_alone() -> None:
    found = Twins.among(torch.tensor([[1.0], [2.0], [3.0], [1.0]]))
    scores = torch.tensor([[7.0, 8.0]])
    found.level(scores, 1, found.vectors.T)
    assert scores.tolist() == [[7, 8]]
    found.level(scores, 2, 5 * found.vectors.T)
    assert scores.tolist() == [[7, 5]]


@pytest.mark.parametrize("items_at_once", [7, 13, 97, 301, 1009])
@pytest.mark.parametrize("users_at_once", [1, 3, 17])
def test_ties_of_equal_vectors_are_broken_by_index_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch, items_at_once: int, users_at_once: int
) -> None:
    """1,009 items of 40 vectors in no order: each user's list is vector by vector, then by index.

    Scores of two vectors are further apart than float32 rounds, so float64 tells their order.
    """
    rng = np.random.default_rng(0)
    kinds, users = rng.normal(size=(40, 67)), torch.from_numpy(rng.normal(size=(17, 67))).float()
    of = rng.integers(0, 40, 1009)
    scores = np.sort(users.double().numpy() @ kinds.T, axis=1)
    assert np.diff(scores, axis=1).min() > 1e-4
    order = (-(users.double().numpy() @ kinds.T)).argsort(axis=1)
    expected = [[item for kind in row for item in np.flatnonzero(of == kind)] for row in order]
    monkeypatch.setattr(topk, "ITEMS_AT_ONCE", items_at_once)
    monkeypatch.setattr(topk, "SCORES_AT_ONCE", items_at_once * users_at_once)
    search = ExactTopK(torch.from_numpy(kinds[of]).float())
    for k in (1, 10, 150, 1009):
        found = search.search(users, k, ItemLists.from_lists([[]] * 17))
        assert found.items.tolist() == [row[:k] for row in expected]
        for row, items in zip(found.scores, found.items, strict=True):
            assert all(len(set(row[of[items] == kind].tolist())) <= 1 for kind in range(40))


@given(
    seed=st.integers(0, 999),
    num_items=st.integers(1, 60),
    dim=st.integers(1, 40),
    width=st.integers(1, 61),
    data=st.data(),
)
def test_where_all_are_equal_the_list_is_the_catalogue(
    seed: int, num_items: int, dim: int, width: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    vectors = torch.from_numpy(rng.normal(size=(1, dim))).float().repeat(num_items, 1)
    users = torch.from_numpy(rng.normal(size=(3, dim))).float()
    k = data.draw(st.integers(1, num_items))
    lists = st.lists(st.integers(0, num_items - 1), unique=True)
    seen = [data.draw(lists) for _ in range(3)]
    expected = [
        ([item for item in range(num_items) if item not in row] + [NO_ITEM] * k)[:k] for row in seen
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "ITEMS_AT_ONCE", width)
        found = ExactTopK(vectors).search(users, k, ItemLists.from_lists(seen))
    assert found.items.tolist() == expected


@pytest.mark.parametrize("dim", [3, 64, 100])
@pytest.mark.parametrize("items_at_once", [1, 11, 250])
def test_of_equal_vectors_the_hindered_is_last(
    monkeypatch: pytest.MonkeyPatch, dim: int, items_at_once: int
) -> None:
    """One step of rounding is enough only if there is no other difference."""
    monkeypatch.setattr(topk, "ITEMS_AT_ONCE", items_at_once)
    rng = np.random.default_rng(dim)
    vectors = torch.from_numpy(rng.normal(size=(1, dim))).float().repeat(250, 1)
    users = torch.from_numpy(rng.normal(size=(20, dim))).float()
    hindered = [[12 * user] for user in range(20)]
    nothing = ItemLists.from_lists([[]] * 20)
    found = ExactTopK(vectors).search(users, 250, nothing, ItemLists.from_lists(hindered))
    assert found.items[:, -1].tolist() == [12 * user for user in range(20)]


def test_an_overflow_of_twins_ranks_as_that_of_others() -> None:
    """Infinity less infinity is no score: such items come last, not first."""
    # Infinite already: sums of large products overflow on some CPUs, and not on others.
    inf = torch.inf
    vectors = torch.tensor([[inf, -inf], [inf, -inf], [-inf, inf], [1.0, 1.0]])
    found = ExactTopK(vectors).search(torch.tensor([[2.0, 2.0]]), 4, ItemLists.from_lists([[]]))
    assert found.items.tolist() == [[3, NO_ITEM, NO_ITEM, NO_ITEM]]


def test_of_scores_beyond_the_highest_number_the_lower_index_is_first() -> None:
    """All are infinite, two of them twins."""
    vectors = torch.tensor([[3e38, 0.0], [2e38, 0.0], [2e38, 0.0], [1.0, 1.0]])
    found = ExactTopK(vectors).search(torch.tensor([[4.0, 2.0]]), 4, ItemLists.from_lists([[]]))
    assert found.items.tolist() == [[0, 1, 2, 3]]


def distinct(rows: np.ndarray) -> Tensor:
    """`rows` without repetitions."""
    return torch.from_numpy(np.unique(rows, axis=0))


@pytest.mark.parametrize("dim", [1, 2, 64, 1024])
def test_one_bit_apart_is_apart(dim: int) -> None:
    """A row, and all that differ from it in one bit: 32 for each of the first and last columns."""
    row = np.random.default_rng(dim).normal(size=dim).astype(np.float32)
    rows = [row]
    for column in {0, dim // 2, dim - 1}:
        for bit in range(32):
            other = row.copy()
            other.view(np.uint32)[column] ^= np.uint32(1) << np.uint32(bit)
            rows.append(other)
    assert sets(torch.from_numpy(np.stack(rows))) == []


@given(st.integers(0, 999), st.integers(2, 40))
def test_columns_in_another_order_are_apart(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    row = rng.normal(size=dim).astype(np.float32)
    assert sets(distinct(np.stack([rng.permutation(row) for _ in range(200)]))) == []


@pytest.mark.parametrize("dim", [32, 64])
def test_random_rows_are_apart(dim: int) -> None:
    rng = np.random.default_rng(dim)
    assert sets(torch.from_numpy(rng.random((300_000, dim), dtype=np.float32))) == []


@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("kind", ["signs", "ternary", "powers", "bfloat16", "one-hot pairs"])
def test_rows_of_few_bits_are_apart(kind: str, dim: int) -> None:
    """Numbers that differ only in their highest bits: 200,000 rows make 2 · 10^10 pairs."""
    rng = np.random.default_rng(dim)
    shape = (200_000, dim)
    if kind == "signs":
        rows = 2.0 * rng.integers(0, 2, shape) - 1
    elif kind == "ternary":
        rows = rng.integers(-1, 2, shape).astype(np.float64)
    elif kind == "powers":
        rows = 2.0 ** rng.integers(-3, 4, shape)
    elif kind == "bfloat16":
        rows = torch.from_numpy(rng.normal(size=shape)).bfloat16().float().numpy()
    else:
        first, second = np.triu_indices(dim, 1)
        rows = np.eye(dim)[first] + np.eye(dim)[second]
    vectors = torch.from_numpy(rows.astype(np.float32))
    found = Twins.among(vectors)
    mistaken = [
        item
        for item, of in zip(found.items.tolist(), found.of.tolist(), strict=True)
        if not torch.equal(vectors[item], found.vectors[of])
    ]
    assert mistaken == []
