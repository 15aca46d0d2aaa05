"""Vectors that can't be served: not finite, of no length or far too much, all alike."""

import pytest
import torch
from torch import Tensor

from towerflow.evaluation.spectrum import spectrum
from towerflow.evaluation.vector_health import VectorHealth, vector_health
from towerflow.interactions.histories import ItemLists


class Vectors:
    """A model of these item vectors, which is asked about no user."""

    kind = "vectors"
    serves_new_items = False

    def __init__(self, items: Tensor) -> None:
        self.items = items

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        return self.items

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        raise NotImplementedError


def health(items: Tensor, broken_users: int = 0) -> VectorHealth:
    rank = spectrum("", items).effective_rank
    return vector_health(Vectors(items), torch.zeros(len(items), 1), broken_users, rank)


def test_unit_vectors_in_all_directions_are_sound() -> None:
    found = health(torch.eye(16))
    assert (found.dim, found.num_items) == (16, 16)
    assert (found.broken_items, found.broken_users, found.zero_items) == (0, 0, 0)
    assert (found.median_norm, found.longest_norm) == (1, 1)
    assert found.effective_rank == pytest.approx(16)
    assert found.problems() == []


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_counted_and_told(broken: float) -> None:
    items = torch.eye(16)
    items[3, 5] = items[3, 6] = items[4, 0] = broken
    found = health(items, broken_users=2)
    assert (found.broken_items, found.broken_users) == (2, 2)
    assert found.problems() == ["2 item vectors and 2 user vectors are not finite"]
    assert found.effective_rank == pytest.approx(14)  # of those that are


def test_a_broken_user_is_enough() -> None:
    assert health(torch.eye(16), broken_users=1).problems() == [
        "0 item vectors and 1 user vectors are not finite"
    ]


def test_items_without_a_vector_are_counted_and_harmless() -> None:
    items = torch.eye(16)
    items[:5] = 0
    found = health(items)
    assert (found.zero_items, found.median_norm) == (5, 1)
    assert found.problems() == []


@pytest.mark.parametrize(("broken", "zero"), [(0, 16), (16, 0), (3, 13)])
def test_no_vector_at_all_is_told(broken: int, zero: int) -> None:
    items = torch.zeros(16, 16)
    items[:broken] = torch.nan
    found = health(items)
    assert (found.broken_items, found.zero_items) == (broken, zero)
    assert (found.median_norm, found.longest_norm, found.effective_rank) == (0, 0, 0)
    assert "no item has a vector" in found.problems()


@pytest.mark.parametrize(("longest", "told"), [(1_000.0, False), (1_001.0, True)])
def test_one_vector_may_be_so_much_longer_than_the_median(longest: float, told: bool) -> None:
    problems = VectorHealth(
        dim=16,
        num_items=16,
        broken_items=0,
        broken_users=0,
        zero_items=0,
        median_norm=1.0,
        longest_norm=longest,
        effective_rank=12.0,
    ).problems()
    assert problems == (
        ["the longest item vector is 1,001 times as long as the median one; 1,000 are allowed"]
        if told
        else []
    )


def test_lengths_are_measured_in_double_precision() -> None:
    """The squares of these are beyond single precision."""
    items = torch.eye(16) * 1e30
    items[0] = 0
    found = health(items)
    assert found.median_norm == pytest.approx(1e30)
    assert found.longest_norm == pytest.approx(1e30)


@pytest.mark.parametrize(
    ("num_items", "dim", "least"), [(1000, 64, 8), (1000, 32, 8), (1000, 8, 2), (12, 64, 3)]
)
def test_a_line_has_collapsed_whatever_its_size(num_items: int, dim: int, least: float) -> None:
    items = torch.linspace(1, 2, num_items).unsqueeze(1) * torch.ones(1, dim)
    found = health(items)
    assert found.effective_rank == pytest.approx(1, abs=1e-3)
    assert found.least_rank == least
    assert found.problems() == [
        f"item vectors have collapsed: 1.0 of {dim} directions carry anything; at least "
        f"{least:.1f} are expected"
    ]


def test_where_there_is_one_column_one_direction_is_all() -> None:
    """As popularity."""
    found = health(torch.arange(1.0, 9).unsqueeze(1))
    assert (found.least_rank, found.problems()) == (1 / 4, [])


@pytest.mark.parametrize(("dim", "told"), [(1, False), (2, True)])
def test_lengths_of_one_column_are_scores_which_may_differ_as_they_like(
    dim: int, told: bool
) -> None:
    """As popularity where a hit was taken by a million and most items by ten."""
    items = torch.full((100, dim), 10.0)
    items[0] = 1e6
    found = health(items)
    assert found.longest_norm > 1_000 * found.median_norm
    assert any("times as long" in problem for problem in found.problems()) == told


def test_of_one_column_all_else_is_looked_at() -> None:
    items = torch.full((16, 1), 10.0)
    items[0] = torch.nan
    assert health(items).problems() == ["1 item vectors and 0 user vectors are not finite"]
    assert "no item has a vector" in health(torch.zeros(16, 1)).problems()


def test_without_a_rank_the_rest_is_told() -> None:
    """A model of very many columns."""
    line = torch.ones(16, 16)
    found = vector_health(Vectors(line), torch.zeros(16, 1), 0, None)
    assert (found.effective_rank, found.problems()) == (None, [])
    assert VectorHealth.model_validate_json(found.model_dump_json()) == found
    line[3] = torch.inf
    found = vector_health(Vectors(line), torch.zeros(16, 1), 2, None)
    assert found.problems() == ["1 item vectors and 2 user vectors are not finite"]
