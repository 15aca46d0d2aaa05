"""Texts end to end in one row of tokens: attention that keeps them apart, without any padding.

transformers lets a model's attention be replaced by a function of ours; everything else in a
transformer works token by token and never knows that there are several texts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

PACKED: Final = "towerflow_packed"
PLAIN_TOKENS: Final = 512  # up to here all scores of a text are small
_FLASH: Final = (torch.bfloat16, torch.float16)
_UNSUPPORTED: Final = ("softcap", "s_aux", "position_bias")


class UnpackableError(Exception):
    """The model's attention does something that `packed_attention` does not."""


@dataclass
class Texts:
    """The texts of one forward pass.

    Attributes:
        lengths: tokens of each text.
        offsets: `[num_texts + 1]` int32 on the model's device: where each text begins, and the end.
        max_tokens: no text of any pass is longer.
        num_layers: how many layers have asked for attention so far.
    """

    lengths: tuple[int, ...]
    offsets: Tensor
    max_tokens: int
    num_layers: int = 0


_TEXTS: ContextVar[Texts] = ContextVar("texts of the forward pass")


@contextmanager
def packed(lengths: Sequence[int], max_tokens: int, device: torch.device) -> Iterator[Texts]:
    """Tell `packed_attention` where the texts of the forward pass within begin and end."""
    offsets = torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)
    texts = Texts(tuple(lengths), offsets, max_tokens)
    token = _TEXTS.set(texts)
    try:
        yield texts
    finally:
        _TEXTS.reset(token)


def positions(lengths: Sequence[int]) -> Tensor:
    """`[1, num_tokens]`: 0, 1, 2 … anew for each text."""
    return torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    **others: object,
) -> tuple[Tensor, None]:
    """Attention of each token to its own text alone.

    Args:
        module: the layer of the model.
        query: `[1, num_heads, num_tokens, head_dim]`.
        key: `[1, num_key_heads, num_tokens, head_dim]`; num_key_heads divides num_heads.
        value: like `key`.
        attention_mask: none, texts are told apart by `packed`.
        scaling: factor of the scores; by default 1 / sqrt(head_dim).
        is_causal: whether a token sees none after it; by default what `module` says.
        sliding_window: how far a token sees; must reach over a whole text.
        others: what else transformers hands over.

    Returns:
        `[1, num_tokens, num_heads, head_dim]`, and no weights.

    Raises:
        UnpackableError: the model asks for what this does not do.
    """
    texts = _TEXTS.get()
    wanted = [name for name in _UNSUPPORTED if others.get(name) is not None]
    if attention_mask is not None:
        wanted.append("attention_mask")
    if sliding_window is not None and sliding_window < texts.max_tokens:
        wanted.append("sliding_window")
    if wanted:
        raise UnpackableError(", ".join(wanted))
    texts.num_layers += 1
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    if query.is_cuda and query.dtype in _FLASH and torch.cuda.get_device_capability() >= (8, 0):
        return _on_cuda(query[0], key[0], value[0], texts, scaling, causal).unsqueeze(0), None
    return _by_length(query[0], key[0], value[0], texts, scaling, causal).unsqueeze(0), None


def _on_cuda(
    query: Tensor, key: Tensor, value: Tensor, texts: Texts, scaling: float | None, causal: bool
) -> Tensor:
    """FlashAttention over texts of any lengths, one kernel."""
    from torch.nn.attention.varlen import varlen_attn  # not on every platform

    longest = max(texts.lengths)
    return cast(
        Tensor,
        varlen_attn(
            query.transpose(0, 1),
            key.transpose(0, 1),
            value.transpose(0, 1),
            texts.offsets,
            texts.offsets,
            longest,
            longest,
            scale=scaling,
            window_size=(-1, 0) if causal else (-1, -1),
            enable_gqa=query.shape[0] != key.shape[0],
        ),
    )


def _by_length(
    query: Tensor, key: Tensor, value: Tensor, texts: Texts, scaling: float | None, causal: bool
) -> Tensor:
    """One call for each run of texts of equal length; batches are sorted, so the runs are few."""
    result = query.new_empty(query.shape[1], query.shape[0], value.shape[2])
    start = 0
    for length, run in groupby(texts.lengths):
        count = len(list(run))
        stop = start + count * length
        # [heads, count · length, head_dim] → [count, heads, length, head_dim]
        q, k, v = (
            states[:, start:stop].reshape(len(states), count, length, -1).transpose(0, 1)
            for states in (query, key, value)
        )
        attend = _plainly if q.dtype == torch.bfloat16 and length <= PLAIN_TOKENS else _fused
        seen = attend(q, k, v, scaling, causal)
        result[start:stop] = seen.transpose(1, 2).flatten(0, 1)
        start = stop
    return result


def _fused(q: Tensor, k: Tensor, v: Tensor, scaling: float | None, causal: bool) -> Tensor:
    """Torch's own, which never has all scores in memory."""
    return scaled_dot_product_attention(
        q, k, v, scale=scaling, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1]
    )


def _plainly(q: Tensor, k: Tensor, v: Tensor, scaling: float | None, causal: bool) -> Tensor:
    """softmax(q kᵀ · scaling) v by two products: in bfloat16 on a CPU twice as fast as `_fused`."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    scores = q * (q.shape[-1] ** -0.5 if scaling is None else scaling) @ k.transpose(2, 3)
    if causal:
        later = torch.ones(scores.shape[2:], dtype=torch.bool).triu(1)
        scores.masked_fill_(later, -torch.inf)
    return scores.softmax(-1) @ v


AttentionInterface.register(PACKED, packed_attention)
