"""Coverage, inequality, novelty and diversity by loops that do nothing clever."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation import beyond
from towerflow.evaluation.beyond import coverage, exposure, gini, intra_list_diversity, novelty
from towerflow.retrieval.topk import NO_ITEM

counts = st.lists(st.integers(0, 50), min_size=1, max_size=12)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[np.ndarray, torch.Tensor]:
    """Lists, each item once and NO_ITEM at the end; and embeddings, zeros without text."""
    num_items, dim = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    depth = draw(st.integers(0, num_items))
    rows = []
    for _ in range(draw(st.integers(0, 5))):
        items = draw(st.permutations(range(num_items)))[: draw(st.integers(0, depth))]
        rows.append(items + [NO_ITEM] * (depth - len(items)))
    lists = np.array(rows, dtype=np.int64).reshape(len(rows), depth)
    embeddings = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(num_items, dim))
    embeddings[draw(st.lists(st.integers(0, num_items - 1)))] = 0.0
    return lists, torch.from_numpy(embeddings)


def mean_absolute_difference(values: list[int]) -> float:
    """Gini's own definition: half the mean difference of all pairs over the mean."""
    if not sum(values):
        return 0.0
    differences = [abs(one - other) for one in values for other in values]
    return (sum(differences) / len(differences)) / (2 * sum(values) / len(values))


def diversity(row: list[int], embeddings: np.ndarray) -> float:
    """Mean over pairs of 1 - cosine of what is left of an embedding without the mean of all."""
    written = [item for item in range(len(embeddings)) if any(embeddings[item])]
    if not written:
        return 0.0
    centre = sum(embeddings[item] for item in written) / len(written)
    own = {
        item
        for item in written
        if math.dist(embeddings[item], centre) > 1e-5 * math.hypot(*embeddings[item])
    }
    listed = [item for item in row if item in own]
    if len(listed) < 2:
        return 0.0
    distances = []
    for one, other in itertools.combinations(listed, 2):
        a, b = embeddings[one] - centre, embeddings[other] - centre
        distances.append(1 - sum(a * b) / math.sqrt(sum(a * a)) / math.sqrt(sum(b * b)))
    return sum(distances) / len(distances)


@given(catalogues())
def test_exposure_and_coverage_count_the_lists_that_an_item_is_in(
    catalogue: tuple[np.ndarray, torch.Tensor],
) -> None:
    lists, embeddings = catalogue
    num_items = len(embeddings)
    shown = exposure(lists, num_items)
    assert shown.tolist() == [
        sum(item in row for row in lists.tolist()) for item in range(num_items)
    ]
    anywhere = {item for row in lists.tolist() for item in row} - {NO_ITEM}
    assert coverage(shown) == len(anywhere) / num_items


@given(counts)
def test_gini_is_the_mean_absolute_difference(shown: list[int]) -> None:
    found = gini(np.array(shown))
    assert found == pytest.approx(mean_absolute_difference(shown), abs=1e-9, rel=0)
    assert 0 <= found < 1


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([0, 0, 0], 0.0),  # nobody is recommended anything
        ([5], 0.0),  # a catalogue of one
        ([2, 2, 2, 2], 0.0),
        ([0, 0, 0, 8], 3 / 4),  # 1 - 1/n
        ([1, 3], (3 - 1) / (2 * 4)),
    ],
)
def test_gini_by_eye(shown: list[int], expected: float) -> None:
    assert gini(np.array(shown)) == pytest.approx(expected, abs=1e-12)


@given(counts, st.integers(1, 9))
def test_gini_knows_no_order_and_no_scale(shown: list[int], factor: int) -> None:
    scaled = np.array(shown)[::-1] * factor
    assert gini(scaled) == pytest.approx(gini(np.array(shown)), abs=1e-12)


@given(catalogues(), st.data())
def test_novelty_is_a_mean_of_logarithms(
    catalogue: tuple[np.ndarray, torch.Tensor], data: st.DataObject
) -> None:
    lists, embeddings = catalogue
    num_users = data.draw(st.integers(1, 30))
    taken = st.lists(st.integers(0, num_users), min_size=len(embeddings), max_size=len(embeddings))
    popularity = data.draw(taken)
    expected = []
    for row in lists.tolist():
        bits = [-math.log2(max(1, popularity[i]) / num_users) for i in row if i != NO_ITEM]
        expected.append(sum(bits) / len(bits) if bits else 0.0)
    found = novelty(lists, np.array(popularity), num_users)
    assert found == pytest.approx(np.array(expected), abs=1e-9, rel=0)


def test_novelty_by_eye() -> None:
    """Of 8 users 8, 2 and none took items 0, 1 and 2; none counts as one."""
    lists = np.array([[0, NO_ITEM], [1, 2], [NO_ITEM, NO_ITEM]])
    found = novelty(lists, np.array([8, 2, 0]), 8)
    assert found.tolist() == [0, (2 + 3) / 2, 0]


@given(catalogues())
def test_diversity_is_a_mean_over_pairs(catalogue: tuple[np.ndarray, torch.Tensor]) -> None:
    lists, embeddings = catalogue
    expected = [diversity(row, embeddings.numpy()) for row in lists.tolist()]
    found = intra_list_diversity(lists, embeddings)
    assert found == pytest.approx(np.array(expected), abs=1e-9, rel=0)


def test_diversity_by_eye() -> None:
    """Around the centre 0 stand four items at right angles; the last has no text."""
    embeddings = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0, 0]])
    lists = np.array([[0, 1, NO_ITEM], [0, 2, NO_ITEM], [0, 1, 2], [0, 4, NO_ITEM], [4, 4, 4]])
    found = intra_list_diversity(lists, embeddings)
    assert found == pytest.approx(np.array([2, 1, (2 + 1 + 1) / 3, 0, 0]))


def test_what_has_nothing_of_its_own_is_left_out() -> None:
    """Items 2 and 3 are the centre; so is the only one with text, and all that are equal."""
    embeddings = torch.tensor([[8.0, 0], [2, 0], [5, 0], [5, 0], [5, 3], [5, -3], [0, 0]])
    lists = np.array([[0, 1, 2], [0, 4, 3], [0, 2, 3], [2, 3, 6], [2, 3, NO_ITEM]])
    assert intra_list_diversity(lists, embeddings).tolist() == pytest.approx([2, 1, 0, 0, 0])
    alone = torch.tensor([[0.0, 0], [0.3, 0.7], [0, 0]])
    assert intra_list_diversity(np.array([[0, 1, 2]]), alone).tolist() == [0]


@pytest.mark.parametrize("dim", [1, 3, 64, 384])
@pytest.mark.parametrize("number", [2, 3, 7, 1000])
def test_equal_embeddings_are_equal_whatever_the_rounding(dim: int, number: int) -> None:
    """Their mean in single precision need not be one of them."""
    row = torch.from_numpy(np.random.default_rng(dim).normal(size=dim)).float()
    lists = np.array([[0, 1], [1, 0]])
    assert intra_list_diversity(lists, row.repeat(number, 1)).tolist() == [0, 0]


@pytest.mark.parametrize(("apart", "expected"), [(1e-3, 2.0), (3e-5, 2.0), (1e-6, 0.0)])
def test_a_small_difference_counts_and_a_rounding_error_does_not(
    apart: float, expected: float
) -> None:
    """Two items on either side of the centre, whose length is 1."""
    embeddings = torch.tensor([[1.0, apart], [1.0, -apart]])
    found = intra_list_diversity(np.array([[0, 1]]), embeddings)
    assert found.tolist() == pytest.approx([expected])


def test_what_all_embeddings_share_does_not_hide_what_differs() -> None:
    embeddings = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).double()
    lists = np.array([[0, 1], [0, 2]])
    moved = intra_list_diversity(lists, embeddings + torch.tensor([500.0, -300.0]))
    assert moved == pytest.approx(intra_list_diversity(lists, embeddings))


def test_without_any_text_and_without_any_user_there_is_nothing_to_say() -> None:
    assert intra_list_diversity(np.array([[0, 1]]), torch.zeros(2, 3)).tolist() == [0]
    nobody = np.empty((0, 2), dtype=np.int64)
    assert intra_list_diversity(nobody, torch.ones(2, 3)).shape == (0,)
    assert novelty(nobody, np.ones(2, dtype=np.int64), 5).shape == (0,)
    assert (coverage(exposure(nobody, 2)), gini(exposure(nobody, 2))) == (0, 0)


@pytest.mark.parametrize("at_once", [1, 3, 7])
def test_blocks_of_lists_change_nothing(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(9, 4)))
    lists = np.stack([rng.permutation(9)[:5] for _ in range(7)])
    whole = intra_list_diversity(lists, embeddings)
    monkeypatch.setattr(beyond, "LISTS_AT_ONCE", at_once)
    assert intra_list_diversity(lists, embeddings) == pytest.approx(whole, abs=1e-12)


def test_single_precision_is_as_good_as_a_report_needs() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 64)) + 3
    lists = np.stack([rng.permutation(30)[:10] for _ in range(20)])
    found = intra_list_diversity(lists, torch.from_numpy(embeddings).float())
    expected = [diversity(row, embeddings) for row in lists.tolist()]
    assert found == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("at_once", [1, 2, 4, 9, 10])
def test_nor_do_blocks_of_the_catalogue(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Of ten items the last three have no text."""
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(10, 4)) + 3)
    embeddings[7:] = 0
    lists = np.stack([rng.permutation(10)[:5] for _ in range(7)])
    whole = intra_list_diversity(lists, embeddings)
    assert whole == pytest.approx([diversity(row, embeddings.numpy()) for row in lists.tolist()])
    monkeypatch.setattr(beyond, "ROWS_AT_ONCE", at_once)
    assert intra_list_diversity(lists, embeddings) == pytest.approx(whole, abs=1e-12)
