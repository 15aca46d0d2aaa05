"""How the transformer knows the order: by the mask alone, by looking up, by turning."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.models.test_transformer import config_of, made, packed, random_tokens
from towerflow.models.transformer import Positions, rotary_angles, rotate


def test_angles_are_positions_times_powers_of_the_base() -> None:
    angles = rotary_angles(torch.tensor([0, 1, 3]), head_dim=4)
    second = 10_000 ** (-2 / 4)
    torch.testing.assert_close(angles, torch.tensor([[0, 0], [1, second], [3, 3 * second]]))


def test_a_quarter_turn_by_eye() -> None:
    turned = rotate(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([math.pi / 2, 0.0]))
    torch.testing.assert_close(turned, torch.tensor([-3.0, 2.0, 1.0, 4.0]))


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 50))
def test_rotary_scores_depend_on_the_distance_alone(query: int, key: int, shift: int) -> None:
    vectors = random_tokens(2).double()

    def score(query_at: int, key_at: int) -> torch.Tensor:
        turned = rotate(vectors, rotary_angles(torch.tensor([query_at, key_at]), 8))
        return turned[0] @ turned[1]

    torch.testing.assert_close(
        score(query, key), score(query + shift, key + shift), atol=1e-4, rtol=0
    )


def test_rotary_scores_do_depend_on_the_distance() -> None:
    turned = rotate(torch.ones(4, 8), rotary_angles(torch.tensor([0, 1, 2, 3]), 8))
    near, far = turned[0] @ turned[1], turned[0] @ turned[3]
    # Both are 2 Σ cos(distance × frequency) over the four pairs.
    frequencies = [1, 1e-1, 1e-2, 1e-3]
    assert near.item() == pytest.approx(2 * sum(math.cos(f) for f in frequencies), abs=1e-5)
    assert far.item() == pytest.approx(2 * sum(math.cos(3 * f) for f in frequencies), abs=1e-5)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_turning_keeps_lengths(positions: list[int]) -> None:
    heads = random_tokens(len(positions))
    turned = rotate(heads, rotary_angles(torch.tensor(positions), 8))
    torch.testing.assert_close(turned.norm(dim=1), heads.norm(dim=1))


@pytest.mark.parametrize(
    ("positions", "is_same"),
    [(Positions.NONE, True), (Positions.ROTARY, True), (Positions.LEARNED, False)],
)
@torch.inference_mode()
def test_only_learned_positions_are_absolute(positions: Positions, is_same: bool) -> None:
    model, tokens, sequence = made(config_of(positions)), random_tokens(3), packed([3])
    shifted = replace(sequence, positions=sequence.positions + 2)
    same = torch.allclose(model(tokens, sequence), model(tokens, shifted), atol=1e-4)
    assert same == is_same


@torch.inference_mode()
def test_learned_positions_are_added_as_looked_up() -> None:
    learned, none = made(config_of(Positions.LEARNED)), made(config_of(Positions.NONE))
    learned.layers = none.layers
    assert learned.position_embedding is not None
    table = learned.position_embedding.weight
    tokens, sequences = random_tokens(4), packed([3, 1])
    expected = none(tokens + table[[0, 1, 2, 0]], sequences)
    torch.testing.assert_close(learned(tokens, sequences), expected)


@torch.inference_mode()
def test_there_is_a_learned_position_for_each_item_of_the_longest_history() -> None:
    model = made(config_of(Positions.LEARNED))
    assert model.position_embedding is not None
    assert model.position_embedding.weight.shape == (6, 8)
    assert made(config_of(Positions.ROTARY)).position_embedding is None


@pytest.mark.parametrize(
    ("positions", "num_layers", "is_same"),
    [
        # One layer sees what came before as a set; what the second sees depends on its order.
        (Positions.NONE, 1, True),
        (Positions.NONE, 2, False),
        (Positions.LEARNED, 1, False),
        (Positions.ROTARY, 1, False),
    ],
)
@torch.inference_mode()
def test_order_matters_to_the_last_token(
    positions: Positions, num_layers: int, is_same: bool
) -> None:
    model, tokens = made(config_of(positions, num_layers)), random_tokens(4)
    last = model(tokens, packed([4]))[-1]
    last_of_other = model(tokens[[2, 0, 1, 3]], packed([4]))[-1]
    assert torch.allclose(last, last_of_other, atol=1e-4) == is_same
