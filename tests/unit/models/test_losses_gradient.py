"""The loss at the temperatures in use: its gradient, and no overflow."""

import pytest
import torch

from towerflow.models.losses import full_softmax_loss, scaled_scores

GENERATOR = torch.Generator().manual_seed(0)
USERS = torch.randn(4, 3, generator=GENERATOR)
ITEMS = torch.randn(5, 3, generator=GENERATOR)
TARGETS = torch.tensor([0, 4, 2, 2])


def test_scores_are_dot_products_over_the_temperature() -> None:
    users, items = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert scaled_scores(users, items, 0.5).tolist() == [[(3 + 8) / 0.5, 2 / 0.5]]


def test_both_towers_get_the_gradient_of_the_softmax() -> None:
    """d loss / d scores = (softmax - onehot) / num_positions, on to both sides of the product."""
    users, items = USERS.clone().requires_grad_(), ITEMS.clone().requires_grad_()
    full_softmax_loss(users, items, TARGETS, temperature=0.5).backward()
    onehot = torch.eye(len(ITEMS))[TARGETS]
    of_scores = ((USERS @ ITEMS.T / 0.5).softmax(dim=1) - onehot) / len(USERS)
    torch.testing.assert_close(users.grad, of_scores @ ITEMS / 0.5)
    torch.testing.assert_close(items.grad, of_scores.T @ USERS / 0.5)


def test_a_tiny_temperature_does_not_overflow() -> None:
    items = torch.eye(3)
    right = full_softmax_loss(items, items, torch.tensor([0, 1, 2]), temperature=1e-4)
    wrong = full_softmax_loss(items, items, torch.tensor([1, 2, 0]), temperature=1e-4)
    assert right.item() == pytest.approx(0)
    assert wrong.item() == pytest.approx(1 / 1e-4)
