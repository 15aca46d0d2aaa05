"""Vectors that can't be served: not finite, of no length or far too much, all alike."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from towerflow.evaluation.vector_health import SAMPLED_USERS, VectorHealth, vector_health
from towerflow.interactions.histories import ItemLists


class Vectors:
    """A model of these item vectors; a user's vector is that of the last item, or zeros."""

    kind = "vectors"
    serves_new_items = False

    def __init__(self, items: Tensor) -> None:
        self.items = items

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        return self.items

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        rows = [histories[user][-1:] for user in range(len(histories))]
        none = torch.zeros(self.items.shape[1])
        return torch.stack([self.items[row[0]] if len(row) else none for row in rows])


def health(items: Tensor, histories: Sequence[Sequence[int]] = ((),)) -> VectorHealth:
    return vector_health(
        Vectors(items), torch.zeros(len(items), 1), ItemLists.from_lists(histories)
    )


def test_unit_vectors_in_all_directions_are_sound() -> None:
    found = health(torch.eye(16), [[0], [1, 2]])
    assert (found.dim, found.num_items) == (16, 16)
    assert (found.broken_items, found.broken_users, found.zero_items) == (0, 0, 0)
    assert (found.median_norm, found.longest_norm) == (1, 1)
    assert found.effective_rank == pytest.approx(16)
    assert found.problems() == []


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_counted_and_told(broken: float) -> None:
    items = torch.eye(16)
    items[3, 5] = items[3, 6] = items[4, 0] = broken
    found = health(items, [[0], [3], [4], [3, 1]])
    assert (found.broken_items, found.broken_users) == (2, 2)
    assert found.problems() == ["2 item vectors and 2 user vectors are not finite"]
    assert found.effective_rank == pytest.approx(14)  # of those that are


def test_a_broken_user_is_enough() -> None:
    class BrokenUsers(Vectors):
        def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
            return torch.full((len(histories), 16), torch.nan)

    found = vector_health(
        BrokenUsers(torch.eye(16)), torch.zeros(16, 1), ItemLists.from_lists([[], []])
    )
    assert found.problems() == ["0 item vectors and 2 user vectors are not finite"]


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


@pytest.mark.parametrize("num_users", [0, 1, SAMPLED_USERS, SAMPLED_USERS + 1, 20_000])
def test_a_sample_of_many_users_is_looked_at(num_users: int) -> None:
    """Evenly spread, first and last included."""
    asked: list[int] = []

    class Counting(Vectors):
        def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
            asked.extend(histories.items.tolist())
            return torch.zeros(len(histories), 16)

    everybody = ItemLists.from_lists([[user] for user in range(num_users)])
    vector_health(Counting(torch.eye(16)), torch.zeros(16, 1), everybody)
    assert len(asked) == len(set(asked)) == min(num_users, SAMPLED_USERS)
    if num_users:
        assert (asked[0], asked[-1]) == (0, num_users - 1)
