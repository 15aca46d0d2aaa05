"""Padded sequences: a place sees what is kept up to itself, and the transformer sees no difference
to sequences that are packed."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.test_transformer import ALL_POSITIONS, config_of, made, packed
from towerflow.models.padded import PaddedSequences
from towerflow.models.transformer import Positions

rows_kept = st.integers(1, 6).flatmap(
    lambda length: st.lists(
        st.lists(st.booleans(), min_size=length, max_size=length), min_size=1, max_size=4
    )
)


def test_the_layout_by_eye() -> None:
    made = PaddedSequences.of(torch.tensor([[True, False, True], [False, False, False]]))
    assert made.positions.tolist() == [0, 0, 1, 0, 0, 0]
    assert made.visible.squeeze(1).int().tolist() == [
        [[1, 0, 0], [1, 1, 0], [1, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ]


@given(rows_kept)
def test_what_is_spread_is_gathered_again(kept: list[list[bool]]) -> None:
    made = PaddedSequences.of(torch.tensor(kept))
    tokens = torch.randn(len(kept) * len(kept[0]), 3)
    assert made.spread(tokens).shape == (len(kept), len(kept[0]), 3)
    assert torch.equal(made.gather(made.spread(tokens)), tokens)


@given(rows_kept)
def test_the_newest_is_the_last_that_is_kept(kept: list[list[bool]]) -> None:
    made, length = PaddedSequences.of(torch.tensor(kept)), len(kept[0])
    tokens = torch.arange(1.0, 1 + len(kept) * length).unsqueeze(1)
    expected = [
        max((row * length + place + 1 for place, one in enumerate(places) if one), default=0)
        for row, places in enumerate(kept)
    ]
    assert made.newest(tokens).flatten().tolist() == expected


@given(rows_kept, st.sampled_from(ALL_POSITIONS))
@settings(max_examples=50)
@torch.inference_mode()
def test_the_transformer_gives_what_it_gives_for_packed_sequences(
    kept: list[list[bool]], positions: Positions
) -> None:
    model = made(config_of(positions))
    is_kept = torch.tensor(kept)
    tokens = torch.randn(is_kept.numel(), 8, generator=torch.Generator().manual_seed(1))
    found = model(tokens, PaddedSequences.of(is_kept))[is_kept.flatten()]
    lengths = [length for length in is_kept.sum(dim=1).tolist() if length]
    if lengths:
        expected = model(tokens[is_kept.flatten()], packed(lengths))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
