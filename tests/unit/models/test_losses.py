"""Each transform of logits against a plain loop."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from towerflow.models.losses import (
    accidental_hits,
    correct_log_q,
    hide,
    same_user_hits,
    scores,
    softmax_loss,
)

NUM_USERS = 3


@st.composite
def batches(draw: Callable[..., list[int]]) -> tuple[list[int], list[int], list[int]]:
    """Items of the candidates, column of each position's target, user of each position."""
    candidates = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    columns = draw(st.lists(st.integers(0, len(candidates) - 1), max_size=6))
    of_positions = st.integers(0, NUM_USERS - 1)
    users = draw(st.lists(of_positions, min_size=len(columns), max_size=len(columns)))
    return candidates, columns, users


def whole(values: list[int]) -> Tensor:
    """Indices, also where there are none."""
    return torch.tensor(values, dtype=torch.long)


def random(rows: int, columns: int, seed: int) -> Tensor:
    """`[rows, columns]`."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_scores_are_dot_products_over_the_temperature() -> None:
    users, items = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert scores(users, items, 0.5).tolist() == [[(3 + 8) / 0.5, 2 / 0.5]]


@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_scores_equal_a_plain_loop(rows: int, columns: int, dim: int, seed: int) -> None:
    users, items = random(rows, dim, seed), random(columns, dim, seed + 1)
    found = scores(users, items, 0.2)
    assert found.shape == (rows, columns)
    for row, user in enumerate(users.tolist()):
        for column, item in enumerate(items.tolist()):
            expected = sum(a * b for a, b in zip(user, item, strict=True)) / 0.2
            assert found[row, column].item() == pytest.approx(expected, abs=1e-5)


def test_the_hidden_are_at_minus_infinity_and_the_others_as_they_were() -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    hidden = torch.tensor([[False, True], [False, False]])
    assert hide(logits, hidden).tolist() == [[1, -math.inf], [3, 4]]
    assert logits.tolist() == [[1, 2], [3, 4]], "a copy"


def test_log_q_is_subtracted_from_each_column() -> None:
    found = correct_log_q(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([-0.5, -3.0]))
    assert found.tolist() == [[1 + 0.5, 2 + 3], [3 + 0.5, 4 + 3]]


def test_with_log_q_the_softmax_is_weighted_by_one_over_q() -> None:
    logits, q = [0.3, -1.0, 0.7], [0.5, 0.2, 0.3]
    weighted = [math.exp(logit) / each for logit, each in zip(logits, q, strict=True)]
    corrected = correct_log_q(torch.tensor([logits]), torch.tensor(q).log())
    found = softmax_loss(corrected, torch.tensor([1]))
    assert found.item() == pytest.approx(-math.log(weighted[1] / sum(weighted)), abs=1e-5)


@given(batches())
def test_accidental_hits_are_the_target_in_other_columns(
    batch: tuple[list[int], list[int], list[int]],
) -> None:
    candidates, columns, _ = batch
    expected = [
        [item == candidates[target] and column != target for column, item in enumerate(candidates)]
        for target in columns
    ]
    assert accidental_hits(whole(candidates), whole(columns)).tolist() == expected


@given(batches())
def test_same_user_hits_are_what_the_user_must_find_elsewhere(
    batch: tuple[list[int], list[int], list[int]],
) -> None:
    candidates, columns, users = batch
    expected = []
    for target, user in zip(columns, users, strict=True):
        wanted = {candidates[c] for c, u in zip(columns, users, strict=True) if u == user}
        expected.append(
            [column != target and item in wanted for column, item in enumerate(candidates)]
        )
    found = same_user_hits(whole(candidates), whole(columns), whole(users), NUM_USERS)
    assert found.tolist() == expected


def test_same_user_hits_by_eye() -> None:
    """Users 0, 0 and 1 must find items 7, 9 and 8; 9 is a candidate twice."""
    candidates, columns, users = whole([7, 9, 8, 9]), whole([0, 1, 2]), whole([0, 0, 1])
    assert same_user_hits(candidates, columns, users, num_users=2).int().tolist() == [
        [0, 1, 0, 1],
        [1, 0, 0, 1],
        [0, 0, 0, 0],
    ]


@given(batches(), st.integers(0, 99))
def test_softmax_equals_a_plain_loop(
    batch: tuple[list[int], list[int], list[int]], seed: int
) -> None:
    candidates, columns, users = batch
    logits = random(len(columns), len(candidates), seed)
    hidden = same_user_hits(whole(candidates), whole(columns), whole(users), NUM_USERS)
    expected = 0.0
    for row, target in enumerate(columns):
        seen = [column for column in range(len(candidates)) if not hidden[row, column]]
        total = sum(math.exp(logits[row, column]) for column in seen)
        expected -= math.log(math.exp(logits[row, target]) / total)
    found = softmax_loss(hide(logits, hidden), whole(columns))
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_equal_scores_cost_the_logarithm_of_the_candidates_for_each_position() -> None:
    found = softmax_loss(torch.zeros(2, 7), torch.tensor([1, 2]))
    assert found.item() == pytest.approx(2 * math.log(7))


def test_both_towers_get_the_gradient_of_the_softmax() -> None:
    """d loss / d scores = softmax - onehot, on to both sides of the product."""
    users, items = random(4, 3, seed=0).requires_grad_(), random(5, 3, seed=1).requires_grad_()
    columns = torch.tensor([0, 4, 2, 2])
    softmax_loss(scores(users, items, 0.5), columns).backward()
    of_scores = (users @ items.T / 0.5).softmax(dim=1) - torch.eye(5)[columns]
    torch.testing.assert_close(users.grad, (of_scores @ items / 0.5).detach())
    torch.testing.assert_close(items.grad, (of_scores.T @ users / 0.5).detach())


def test_the_hidden_get_no_gradient() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    hidden = torch.tensor([[False, True, False]])
    softmax_loss(hide(logits, hidden), torch.tensor([0])).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[1 / 2 - 1, 0, 1 / 2]]


def test_a_tiny_temperature_does_not_overflow() -> None:
    logits = scores(torch.eye(3), torch.eye(3), temperature=1e-4)
    assert softmax_loss(logits, torch.tensor([0, 1, 2])).item() == pytest.approx(0)
    assert softmax_loss(logits, torch.tensor([1, 2, 0])).item() == pytest.approx(3 / 1e-4)
