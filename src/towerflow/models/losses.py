"""Losses, each a composition of small logit transforms."""

import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor


def scaled_scores(user_vectors: Tensor, item_vectors: Tensor, temperature: float) -> Tensor:
    """Dot products over τ: `[num_positions, dim]` × `[num_items, dim]` → `[…, num_items]`."""
    return user_vectors @ item_vectors.T / temperature


def full_softmax_loss(
    user_vectors: Tensor, item_vectors: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    """Mean of `-log softmax(u · V / τ)[target]` over the whole catalogue.

    Source: LEARN's public fine-tuning code (full softmax, τ = 0.05, no history mask).

    Args:
        user_vectors: `[num_positions, dim]`.
        item_vectors: `[num_items, dim]`.
        targets: `[num_positions]` item indices.
        temperature: τ.
    """
    return F.cross_entropy(scaled_scores(user_vectors, item_vectors, temperature), targets)
