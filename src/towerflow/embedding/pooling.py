"""From token states to one embedding per text, for texts that stand end to end."""

import torch
from torch import Tensor

from towerflow.embedding.settings import Pooling


def pool(hidden: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """One embedding per text, in float32.

    Args:
        hidden: `[num_tokens, embedding_dim]`, the states of all texts, one text after the other.
        lengths: `[num_texts]`, tokens of each text, at least one; they sum to num_tokens.
        pooling: mean of all states of a text (LEARN), or its last, or its first.

    Returns:
        `[num_texts, embedding_dim]` float32.
    """
    ends = lengths.cumsum(0)
    match pooling:
        case Pooling.MEAN:
            text = torch.repeat_interleave(
                torch.arange(len(lengths), device=hidden.device), lengths
            )
            total = torch.zeros(
                len(lengths), hidden.shape[1], dtype=torch.float32, device=hidden.device
            )
            return total.index_add_(0, text, hidden.float()) / lengths.unsqueeze(1)
        case Pooling.LAST:
            return hidden[ends - 1].float()
        case Pooling.CLS:
            return hidden[ends - lengths].float()
