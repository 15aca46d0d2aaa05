"""The loss against a plain loop."""

import math

import pytest
import torch

from towerflow.models.losses import full_softmax_loss


def test_full_softmax_equals_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    users = torch.randn(5, 3, generator=generator)
    items = torch.randn(7, 3, generator=generator)
    targets = [0, 6, 2, 2, 5]
    losses = []
    for user, target in zip(users.tolist(), targets, strict=True):
        scores = [
            sum(a * b for a, b in zip(user, item, strict=True)) / 0.5 for item in items.tolist()
        ]
        losses.append(math.log(sum(map(math.exp, scores))) - scores[target])
    found = full_softmax_loss(users, items, torch.tensor(targets), temperature=0.5)
    assert found.item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_equal_scores_cost_the_logarithm_of_the_catalogue() -> None:
    found = full_softmax_loss(torch.zeros(2, 3), torch.zeros(7, 3), torch.tensor([1, 2]), 0.05)
    assert found.item() == pytest.approx(math.log(7))
