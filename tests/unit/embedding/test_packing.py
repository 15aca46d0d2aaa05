"""Attention over texts end to end is attention over each text alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from towerflow.embedding.packing import UnpackableError, packed, packed_attention, positions

CPU = torch.device("cpu")
LENGTHS = (4, 2, 2, 1)
HEADS, KEY_HEADS, WIDTH = 4, 2, 8


def states(heads: int, seed: int) -> Tensor:
    """`[1, heads, 9, WIDTH]`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, heads, sum(LENGTHS), WIDTH, generator=generator)


def attend(**options: Any) -> Tensor:
    """`[9, HEADS, WIDTH]`."""
    query, key, value = states(HEADS, 0), states(KEY_HEADS, 1), states(KEY_HEADS, 2)
    with packed(LENGTHS, 8, CPU):
        result = packed_attention(nn.Module(), query, key, value, None, **options)[0]
    assert result.shape == (1, sum(LENGTHS), HEADS, WIDTH)
    return result[0]


def by_loop(*, causal: bool, scaling: float) -> Tensor:
    """softmax(q kᵀ · scaling) v, text by text, head by head, token by token."""
    query, key, value = states(HEADS, 0)[0], states(KEY_HEADS, 1)[0], states(KEY_HEADS, 2)[0]
    result = torch.empty(sum(LENGTHS), HEADS, WIDTH)
    begin = 0
    for length in LENGTHS:
        for head in range(HEADS):
            shared = head // (HEADS // KEY_HEADS)
            for token in range(begin, begin + length):
                seen = slice(begin, token + 1 if causal else begin + length)
                scores = key[shared, seen] @ query[head, token] * scaling
                result[token, head] = scores.softmax(0) @ value[shared, seen]
        begin += length
    return result


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("scaling", [0.5, None])
def test_it_equals_a_loop_over_texts_heads_and_tokens(causal: bool, scaling: float | None) -> None:
    expected = by_loop(causal=causal, scaling=scaling or WIDTH**-0.5)
    found = attend(is_causal=causal, scaling=scaling)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_layer_says_whether_it_is_causal() -> None:
    layer = nn.Module()
    layer.is_causal = False  # type: ignore[assignment]
    query, key, value = states(HEADS, 0), states(HEADS, 1), states(HEADS, 2)
    with packed(LENGTHS, 8, CPU):
        by_layer = packed_attention(layer, query, key, value, None)[0]
        asked = packed_attention(nn.Module(), query, key, value, None, is_causal=False)[0]
    assert torch.equal(by_layer, asked)


@pytest.mark.parametrize("wish", [{"softcap": 50.0}, {"sliding_window": 7}, {"s_aux": 1.0}])
def test_what_it_does_not_do_is_refused(wish: dict[str, float]) -> None:
    with pytest.raises(UnpackableError, match=next(iter(wish))):
        attend(is_causal=True, **wish)


def test_a_window_wider_than_any_text_is_none() -> None:
    assert torch.equal(attend(is_causal=True, sliding_window=8), attend(is_causal=True))


def test_positions_begin_anew_with_each_text() -> None:
    assert positions([3, 1, 2]).tolist() == [[0, 1, 2, 0, 0, 1]]
