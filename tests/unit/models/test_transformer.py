"""The transformer against NumPy, packed against alone, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.models import plain
from towerflow.interactions.histories import ItemLists
from towerflow.models.packed import PackedSequences
from towerflow.models.transformer import Positions, Transformer, TransformerConfig

ALL_POSITIONS = list(Positions)
lengths = st.lists(st.integers(1, 6), min_size=1, max_size=6)


def config_of(positions: Positions, num_layers: int = 2, **dropouts: float) -> TransformerConfig:
    """Small, and reads at most six items."""
    return TransformerConfig(
        width=8,
        num_layers=num_layers,
        num_heads=2,
        feedforward=12,
        max_history=6,
        positions=positions,
        **({"dropout": 0.0} | dropouts),
    )


def made(config: TransformerConfig) -> Transformer:
    """Random weights, norms and places too: they start at 1, 0 and next to nothing."""
    torch.manual_seed(3)
    model = Transformer(config).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return model


def packed(of_lengths: list[int]) -> PackedSequences:
    """Sequences of those lengths; the transformer doesn't look at the items."""
    lists = ItemLists.from_lists([[0] * length for length in of_lengths])
    return PackedSequences.pack(lists, torch.device("cpu"))


def random_tokens(count: int, seed: int = 4) -> torch.Tensor:
    """`[count, width]`."""
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("positions", ALL_POSITIONS)
@torch.inference_mode()
def test_it_equals_the_formulas(positions: Positions) -> None:
    config = config_of(positions)
    model, of_lengths = made(config), [6, 3, 1, 2]
    tokens = random_tokens(sum(of_lengths))
    found = model(tokens, packed(of_lengths)).split(of_lengths)
    for output, sequence in zip(found, tokens.split(of_lengths), strict=True):
        expected = plain.transformer(plain.weights_of(model), config, sequence.double().numpy())
        np.testing.assert_allclose(output.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("positions", ALL_POSITIONS)
@given(of_lengths=lengths, seed=st.integers(0, 99))
@settings(max_examples=25)
@torch.inference_mode()
def test_packed_together_equals_each_alone(
    positions: Positions, of_lengths: list[int], seed: int
) -> None:
    model = made(config_of(positions))
    tokens = random_tokens(sum(of_lengths), seed)
    expected = [model(part, packed([len(part)])) for part in tokens.split(of_lengths)]
    found = model(tokens, packed(of_lengths))
    torch.testing.assert_close(found, torch.cat(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("positions", ALL_POSITIONS)
@torch.inference_mode()
def test_alone_is_a_sequence_of_one(positions: Positions) -> None:
    model, tokens = made(config_of(positions)), random_tokens(5)
    torch.testing.assert_close(
        model.alone(tokens), model(tokens, packed([1] * 5)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("positions", ALL_POSITIONS)
@torch.inference_mode()
def test_what_comes_later_changes_nothing(positions: Positions) -> None:
    model, tokens = made(config_of(positions)), random_tokens(6)
    changed = torch.cat([tokens[:4], random_tokens(2, seed=5)])
    before, after = model(tokens, packed([6])), model(changed, packed([6]))
    torch.testing.assert_close(before[:4], after[:4])
    assert not torch.allclose(before[4:], after[4:], atol=1e-3)


def test_gradients_of_packed_sequences_are_those_of_each_alone() -> None:
    model, of_lengths = made(config_of(Positions.ROTARY)), [5, 3, 1]
    tokens, weights = random_tokens(9), random_tokens(9, seed=6)
    (model(tokens, packed(of_lengths)) * weights).sum().backward()
    found = [weight.grad for weight in model.parameters()]
    model.zero_grad()
    for part, of_part in zip(tokens.split(of_lengths), weights.split(of_lengths), strict=True):
        (model(part, packed([len(part)])) * of_part).sum().backward()
    for one, weight in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(one, weight.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dropout", [{"dropout": 0.5}, {"attention_dropout": 0.5}])
@torch.inference_mode()
def test_dropout_is_at_work_in_training_alone(dropout: dict[str, float]) -> None:
    model, without = made(config_of(Positions.NONE, **dropout)), made(config_of(Positions.NONE))
    tokens, sequence = random_tokens(6), packed([6])
    assert torch.equal(model(tokens, sequence), without(tokens, sequence))
    model.train()
    without.train()
    assert torch.equal(without(tokens, sequence), without(tokens, sequence))
    assert not torch.allclose(model(tokens, sequence), model(tokens, sequence), atol=1e-3)


@pytest.mark.parametrize("silent", ["attention_output", "feedforward_out"])
@torch.inference_mode()
def test_each_sublayer_drops_out(silent: str) -> None:
    model, tokens = made(config_of(Positions.NONE, num_layers=1, dropout=0.5)), random_tokens(6)
    for weight in model.layers[0].get_submodule(silent).parameters():
        weight.zero_()
    model.train()
    assert not torch.allclose(model(tokens, packed([6])), model(tokens, packed([6])), atol=1e-3)


@torch.inference_mode()
def test_items_alone_drop_out_too() -> None:
    model, tokens = made(config_of(Positions.NONE, dropout=0.5)), random_tokens(6)
    assert torch.equal(model.alone(tokens), model.alone(tokens))
    model.train()
    assert not torch.allclose(model.alone(tokens), model.alone(tokens), atol=1e-3)


@pytest.mark.parametrize("positions", ALL_POSITIONS)
def test_heads_that_do_not_divide_the_width_are_refused(positions: Positions) -> None:
    with pytest.raises(ValidationError, match="width 10 is not a multiple of num_heads 4"):
        TransformerConfig(width=10, num_heads=4, positions=positions)


def test_rotary_heads_of_odd_width_are_refused() -> None:
    with pytest.raises(ValidationError, match="rotary positions need heads of even width"):
        TransformerConfig(width=6, num_heads=2, positions=Positions.ROTARY)
    assert TransformerConfig(width=6, num_heads=2, positions=Positions.LEARNED).width == 6


@pytest.mark.parametrize(
    "wrong", [{"dropout": 1.0}, {"attention_dropout": -0.1}, {"num_layers": 0}, {"heads": 2}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TransformerConfig.model_validate(wrong)
