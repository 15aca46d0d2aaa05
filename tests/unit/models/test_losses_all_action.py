"""LEARN's dense all-action loss against loops over users, positions and targets."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from towerflow.models.losses import all_action_loss, scores, softmax_loss

TEMPERATURE = 0.5
NUM_USERS = 4  # some may have no position or no target
owners = st.lists(st.integers(0, NUM_USERS - 1), max_size=7)


def unit(count: int, seed: int) -> Tensor:
    """`[count, 3]` of length 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)


def whole(values: list[int]) -> Tensor:
    """Indices, also where there are none."""
    return torch.tensor(values, dtype=torch.long)


def found_loss(
    positions: Tensor, users: list[int], targets: Tensor, target_users: list[int], items: list[int]
) -> Tensor:
    """The loss, of Python lists."""
    indices = [whole(target_users), whole(items)]
    return all_action_loss(
        positions, whole(users), targets, *indices, num_users=NUM_USERS, temperature=TEMPERATURE
    )


def expected_loss(
    positions: Tensor, users: list[int], targets: Tensor, target_users: list[int], items: list[int]
) -> float:
    """Σ over i, j, k of -log e^s(u_ij, e_ik) / (e^s(u_ij, e_ik) + Σ over others' targets)."""
    exps = (positions.double() @ targets.double().T / TEMPERATURE).exp().tolist()
    everything = range(len(items))
    total = 0.0
    for user in range(NUM_USERS):
        own = [k for k in everything if target_users[k] == user]
        own_items = {items[k] for k in own}
        others = [k for k in everything if target_users[k] != user and items[k] not in own_items]
        for position in (j for j in range(len(users)) if users[j] == user):
            negatives = sum(exps[position][k] for k in others)
            for k in own:
                positive = exps[position][k]
                total -= math.log(positive / (positive + negatives))
    return total


@given(owners, owners, st.data())
def test_it_equals_the_loops(
    users: list[int], target_users: list[int], data: st.DataObject
) -> None:
    size = len(target_users)
    items = data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    positions, targets = unit(len(users), seed=1), unit(size, seed=2)
    found = found_loss(positions, users, targets, target_users, items)
    expected = expected_loss(positions, users, targets, target_users, items)
    assert found.item() == pytest.approx(expected, abs=1e-5, rel=1e-5)


def test_two_users_by_hand() -> None:
    """User 0: one position, two targets; user 1: one target and nothing to predict it from."""
    positions = torch.tensor([[1.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = found_loss(positions, [0], targets, [0, 0, 1], [5, 6, 7])
    right, middle, wrong = math.exp(1 / 0.5), math.exp(0), math.exp(-1 / 0.5)
    expected = -math.log(right / (right + wrong)) - math.log(middle / (middle + wrong))
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_a_users_own_other_targets_are_no_negatives() -> None:
    positions, targets = unit(2, seed=1), unit(3, seed=2)
    assert found_loss(positions, [0, 0], targets, [0, 0, 0], [1, 2, 3]).item() == 0


def test_others_targets_that_are_own_items_are_no_negatives() -> None:
    positions, targets = unit(1, seed=1), unit(3, seed=2)
    with_equal = found_loss(positions, [0], targets, [0, 1, 1], [5, 5, 6])
    without = found_loss(positions, [0], targets[[0, 2]], [0, 1], [5, 6])
    with_other = found_loss(positions, [0], targets, [0, 1, 1], [5, 4, 6])
    assert with_equal.item() == pytest.approx(without.item(), abs=1e-6)
    assert with_other.item() > without.item() + 1e-3


def test_an_item_that_two_others_took_counts_twice() -> None:
    positions = torch.tensor([[1.0, 0.0]])
    same = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    found = found_loss(positions, [0], same, [0, 1, 2], [5, 6, 6])
    assert found.item() == pytest.approx(math.log(3), abs=1e-5)


def test_with_a_position_and_a_target_each_it_is_the_softmax_of_the_batch() -> None:
    positions, targets = unit(4, seed=1), unit(4, seed=2)
    users = [2, 0, 3, 1]
    found = found_loss(positions, users, targets, users, [9, 8, 7, 6])
    expected = softmax_loss(scores(positions, targets, TEMPERATURE), torch.arange(4))
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize(
    ("users", "target_users"), [([], [0, 1]), ([0, 1], []), ([0, 1], [2, 3]), ([], [])]
)
def test_nothing_to_pair_costs_nothing(users: list[int], target_users: list[int]) -> None:
    positions = unit(len(users), seed=1).requires_grad_()
    targets = unit(len(target_users), seed=2).requires_grad_()
    loss = found_loss(positions, users, targets, target_users, list(range(len(target_users))))
    loss.backward()
    assert loss.item() == 0
    assert positions.grad is not None
    assert targets.grad is not None
    assert not positions.grad.any()
    assert not targets.grad.any()


def test_parts_add_up_to_the_whole() -> None:
    """As when each process has the positions of some users and the targets of all."""
    positions, targets = unit(5, seed=1), unit(6, seed=2)
    users, target_users, items = [0, 1, 1, 2, 3], [0, 1, 2, 2, 3, 3], [4, 5, 5, 6, 7, 4]
    halves = [
        found_loss(positions[part], users[part], targets, target_users, items).item()
        for part in (slice(0, 3), slice(3, 5))
    ]
    all_at_once = found_loss(positions, users, targets, target_users, items)
    assert sum(halves) == pytest.approx(all_at_once.item(), abs=1e-5)


def test_a_lone_user_teaches_nothing_and_breaks_nothing() -> None:
    """There is no negative, the logarithm of whose sum is minus infinity."""
    positions, targets = unit(2, seed=1).requires_grad_(), unit(2, seed=2).requires_grad_()
    loss = found_loss(positions, [1, 1], targets, [1, 1], [3, 4])
    loss.backward()
    assert loss.item() == 0
    for gradient in (positions.grad, targets.grad):
        assert gradient is not None
        assert torch.equal(gradient, torch.zeros(2, 3))


def test_the_gradient_is_that_of_the_loops() -> None:
    users, target_users, items = [0, 1, 1], [0, 0, 1, 2], [5, 6, 5, 7]
    positions, targets = unit(3, seed=1).requires_grad_(), unit(4, seed=2).requires_grad_()
    found_loss(positions, users, targets, target_users, items).backward()
    assert positions.grad is not None
    step = 1e-4
    for row in range(3):
        for column in range(3):
            moved = torch.zeros(3, 3, dtype=torch.double)
            moved[row, column] = step
            up, down = (
                expected_loss(
                    positions.detach().double() + sign * moved,
                    users,
                    targets.detach(),
                    target_users,
                    items,
                )
                for sign in (1, -1)
            )
            slope = (up - down) / (2 * step)
            assert positions.grad[row, column].item() == pytest.approx(slope, abs=1e-5)


def test_a_tiny_temperature_does_not_overflow() -> None:
    ends = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    arguments = (torch.tensor([0, 1]), torch.tensor([7, 8]), 2, 1e-4)
    right = all_action_loss(ends, torch.tensor([0, 1]), ends, *arguments)
    wrong = all_action_loss(ends, torch.tensor([0, 1]), -ends, *arguments)
    assert right.item() == 0
    assert wrong.item() == pytest.approx(2 * 2 / 1e-4)
