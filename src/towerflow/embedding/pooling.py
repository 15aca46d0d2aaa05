"""From token states to one embedding per text."""

import torch
from torch import Tensor


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of the states of real tokens (LEARN: last layer, padding left out).

    Args:
        hidden: `[batch, length, embedding_dim]`; what stands at padded positions has no effect.
        mask: `[batch, length]`, 1 for real tokens, at least one per text.

    Returns:
        `[batch, embedding_dim]`.
    """
    real = mask.bool().unsqueeze(-1)
    total = torch.where(real, hidden, 0.0).sum(dim=1)
    return total / real.sum(dim=1)
