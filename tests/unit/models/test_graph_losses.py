"""Losses of the graph against double loops, and their gradients against plain autograd."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.models import plain_graph
from towerflow.models import graph_losses
from towerflow.models.graph_losses import (
    bpr_loss,
    contrast_loss,
    length_penalty,
    supervised_contrast_loss,
)

DIM = 3
Loss = Callable[..., Tensor]
sizes = st.integers(1, 7)
seeds = st.integers(0, 99)
temperatures = st.sampled_from([0.1, 0.2, 1.0])


@pytest.fixture(params=[1, 13, 4_000_000], autouse=True)
def _scores_at_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """A row a block, two or so, and all in one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_losses, "SCORES_AT_ONCE", request.param)
        yield


def random(count: int, seed: int) -> Tensor:
    """`[count, DIM]` of any length."""
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def plain(*matrices: Tensor) -> list[np.ndarray]:
    return [matrix.detach().double().numpy() for matrix in matrices]


def unit(rows: Tensor) -> Tensor:
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt()


def naive_contrast(views: Tensor, positives: Tensor, others: Tensor, temperature: float) -> Tensor:
    """The whole matrix at once, for autograd."""
    logits = unit(views) @ unit(others).T / temperature
    right = (unit(views) * unit(positives)).sum(dim=1) / temperature
    return (logits.logsumexp(dim=1) - right).sum()


def naive_supervised(users: Tensor, items: Tensor, temperature: float) -> Tensor:
    """The same of SGCL."""
    alike = [unit(rows) @ unit(rows).T / temperature for rows in (users, items)]
    right = (unit(users) * unit(items)).sum(dim=1) / temperature
    return (torch.cat(alike, dim=1).logsumexp(dim=1) - right).sum()


def gradients(loss: Loss, matrices: list[Tensor], *rest: float) -> list[Tensor]:
    """Of each matrix; of three times the loss, so that what comes from upstream must count."""
    leaves = [matrix.clone().requires_grad_() for matrix in matrices]
    (3 * loss(*leaves, *rest)).backward()
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def same_gradients(loss: Loss, naive: Loss, matrices: list[Tensor], *rest: float) -> bool:
    found = gradients(loss, matrices, *rest)
    expected = gradients(naive, [matrix.double() for matrix in matrices], *rest)
    assert len(found) == len(expected) == len(matrices)
    return all(
        torch.allclose(one.double(), other, atol=1e-5, rtol=1e-4)
        for one, other in zip(found, expected, strict=True)
    )


@given(sizes, seeds)
def test_bpr_equals_the_loop(count: int, seed: int) -> None:
    matrices = [random(count, seed + place) for place in range(3)]
    expected = plain_graph.bpr(*plain(*matrices))
    assert bpr_loss(*matrices).item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_bpr_by_hand() -> None:
    """Margins are 3, 0 and -2."""
    users = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    positives = torch.tensor([[2.0, 5.0], [1.0, 1.0], [9.0, 0.0]])
    negatives = torch.tensor([[-1.0, 5.0], [2.0, 0.0], [9.0, 1.0]])
    expected = math.log(1 + math.exp(-3)) + math.log(2) + math.log(1 + math.exp(2))
    assert bpr_loss(users, positives, negatives).item() == pytest.approx(expected)


def test_a_huge_margin_does_not_overflow_bpr() -> None:
    ones, hundreds = torch.ones(1, 1), torch.full((1, 1), 1000.0)
    assert bpr_loss(ones, hundreds, ones).item() == 0
    assert bpr_loss(ones, ones, hundreds).item() == pytest.approx(999)


@given(sizes, seeds)
def test_the_gradient_of_bpr_is_one_minus_the_sigmoid(count: int, seed: int) -> None:
    users, positives, negatives = (random(count, seed + place) for place in range(3))
    found = gradients(bpr_loss, [users, positives, negatives])
    wrong = 1 / (1 + ((users * (positives - negatives)).sum(dim=1, keepdim=True)).exp())
    expected = [-wrong * (positives - negatives), -wrong * users, wrong * users]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, 3 * other, atol=1e-5, rtol=1e-4)


@given(sizes, seeds)
def test_the_penalty_equals_the_loop(count: int, seed: int) -> None:
    matrices = [random(count, seed + place) for place in range(3)]
    found = length_penalty(torch.stack(matrices)).item()
    assert found == pytest.approx(plain_graph.penalty(plain(*matrices)), rel=1e-5)


def test_the_penalty_is_of_whole_matrices_and_not_squared() -> None:
    """Lengths √(9 + 16) and √(36 + 64) over two rows each."""
    one, other = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[6.0, 8.0], [0.0, 0.0]])
    assert length_penalty(torch.stack([one, other])).item() == pytest.approx((5 + 10) / 2)


def test_the_gradient_of_the_penalty_points_along_the_rows() -> None:
    rows = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    (found,) = gradients(lambda matrix: length_penalty(matrix.unsqueeze(0)), [rows])
    torch.testing.assert_close(found, 3 * rows / 5 / 2)
    (of_zeros,) = gradients(lambda matrix: length_penalty(matrix.unsqueeze(0)), [torch.zeros(2, 2)])
    assert not of_zeros.any()


@given(sizes, sizes, seeds, temperatures)
def test_the_contrast_equals_the_loops(
    count: int, num_others: int, seed: int, temperature: float
) -> None:
    matrices = [random(count, seed), random(count, seed + 1), random(num_others, seed + 2)]
    expected = plain_graph.contrast(*plain(*matrices), temperature)
    found = contrast_loss(*matrices, temperature).item()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(sizes, sizes, seeds, temperatures)
def test_the_gradient_of_the_contrast_is_that_of_autograd(
    count: int, num_others: int, seed: int, temperature: float
) -> None:
    matrices = [random(count, seed), random(count, seed + 1), random(num_others, seed + 2)]
    assert same_gradients(contrast_loss, naive_contrast, matrices, temperature)


def test_the_contrast_by_hand() -> None:
    """The node finds itself at cosine 1; another stands at 0, a third at -1."""
    view = torch.tensor([[2.0, 0.0]])
    others = torch.tensor([[5.0, 0.0], [0.0, 1.0], [-3.0, 0.0]])
    expected = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 1 + math.exp(-1 / 0.5)))
    found = contrast_loss(view, others[:1], others, 0.5).item()
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_matrix_that_is_in_two_places_gets_both_gradients() -> None:
    """As when the positives are rows of the others."""
    matrices = [random(4, 1), random(4, 2)]
    assert same_gradients(
        lambda one, other: contrast_loss(one, other, other, 0.2),
        lambda one, other: naive_contrast(one, other, other, 0.2),
        matrices,
    )


@given(sizes, seeds, temperatures)
def test_the_supervised_contrast_equals_the_loops(
    count: int, seed: int, temperature: float
) -> None:
    matrices = [random(count, seed), random(count, seed + 1)]
    expected = plain_graph.supervised(*plain(*matrices), temperature)
    found = supervised_contrast_loss(*matrices, temperature).item()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(sizes, seeds, temperatures)
def test_the_gradient_of_the_supervised_contrast_is_that_of_autograd(
    count: int, seed: int, temperature: float
) -> None:
    matrices = [random(count, seed), random(count, seed + 1)]
    assert same_gradients(supervised_contrast_loss, naive_supervised, matrices, temperature)


def test_the_supervised_contrast_of_one_edge_by_hand() -> None:
    """Both compare with themselves alone: two terms of e^(1/τ)."""
    found = supervised_contrast_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 7.0]]), 0.5)
    assert found.item() == pytest.approx(math.log(2 * math.exp(1 / 0.5)) - 0 / 0.5, abs=1e-5)


def test_lengths_of_vectors_do_not_matter() -> None:
    users, items, others = random(4, 1), random(4, 2), random(6, 3)
    found = [
        contrast_loss(users, items, others, 0.2),
        contrast_loss(9 * users, 0.1 * items, 4 * others, 0.2),
    ]
    assert found[0].item() == pytest.approx(found[1].item(), rel=1e-5)
    found = [
        supervised_contrast_loss(users, items, 0.2),
        supervised_contrast_loss(9 * users, 0.1 * items, 0.2),
    ]
    assert found[0].item() == pytest.approx(found[1].item(), rel=1e-5)


def test_a_small_temperature_does_not_overflow() -> None:
    """e^(1/τ) is 10^43, beyond single precision."""
    users, items = random(6, 1), random(6, 2)
    assert math.exp(1 / 0.01) > torch.finfo(torch.float32).max
    near = users + 0.05 * random(6, 3)
    for loss, naive, matrices in (
        (contrast_loss, naive_contrast, [near, users, users]),
        (supervised_contrast_loss, naive_supervised, [users, items]),
    ):
        expected = naive(*(matrix.double() for matrix in matrices), 0.01).item()
        assert loss(*matrices, 0.01).item() == pytest.approx(expected, rel=1e-5, abs=1e-3)
        found = gradients(loss, matrices, 0.01)
        of_naive = gradients(naive, [matrix.double() for matrix in matrices], 0.01)
        for one, other in zip(found, of_naive, strict=True):
            torch.testing.assert_close(one.double(), other, atol=1e-2, rtol=1e-3)


def test_the_matrices_stay_as_they_are() -> None:
    matrices = [random(4, 1), random(4, 2), random(6, 3)]
    before = [matrix.clone() for matrix in matrices]
    contrast_loss(*matrices, 0.2)
    supervised_contrast_loss(*matrices[:2], 0.2)
    assert all(torch.equal(one, other) for one, other in zip(matrices, before, strict=True))
