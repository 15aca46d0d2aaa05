"""Sequences side by side in rows of one length, of which only some places are kept."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class PaddedSequences:
    """One sequence to a row; what it passes over and the padding stand between and after.

    Unlike `PackedSequences` it's made of tensors alone, so that a traced graph can lay it out.

    Attributes:
        kept: `[num_rows, row_length]` which places belong to the sequence of their row.
        positions: `[num_rows * row_length]` place of each in its sequence, 0 for the oldest;
            anything in range where it isn't kept.
        visible: `[num_rows, 1, row_length, row_length]` whether place q may look at place k: it is
            kept and not later. Every place sees itself.
    """

    kept: Tensor
    positions: Tensor
    visible: Tensor

    @classmethod
    def of(cls, kept: Tensor) -> Self:
        """Lay out what is `kept` `[num_rows, row_length]`."""
        places = torch.arange(kept.shape[1], device=kept.device)
        not_later = places.unsqueeze(0) <= places.unsqueeze(1)
        itself = places.unsqueeze(0) == places.unsqueeze(1)
        visible = (kept.unsqueeze(1) & not_later) | itself  # attention over nothing would be NaN
        positions = (kept.to(torch.int64).cumsum(1) - 1).clamp(min=0)
        return cls(kept, positions.flatten(), visible.unsqueeze(1))

    def spread(self, tokens: Tensor) -> Tensor:
        """`[num_rows * row_length, width]` to `[num_rows, row_length, width]`."""
        return tokens.view(*self.kept.shape, -1)

    def gather(self, rows: Tensor) -> Tensor:
        """The inverse of `spread`."""
        return rows.flatten(0, 1)

    def newest(self, tokens: Tensor) -> Tensor:
        """`[num_rows, width]`: of `tokens` the last kept one of each row; zeros if none is."""
        places = torch.arange(self.kept.shape[1], device=tokens.device)
        last = torch.where(self.kept, places, 0).amax(dim=1)
        rows = self.spread(tokens)
        index = last.view(-1, 1, 1).expand(-1, 1, rows.shape[2])
        return torch.where(
            self.kept.any(dim=1, keepdim=True), rows.gather(1, index).squeeze(1), 0.0
        )
