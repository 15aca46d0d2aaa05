"""Products of tall matrices with themselves, in double precision and little memory."""

from typing import Final

import torch
from torch import Tensor

ROWS_AT_ONCE: Final = 65_536


def gram(rows: Tensor, others: Tensor | None = None) -> Tensor:
    """`rowsᵀ others` in float64, `[dim, other_dim]`; without `others`, of `rows` with itself.

    Args:
        rows: `[num_rows, dim]`.
        others: `[num_rows, other_dim]`.
    """
    others = rows if others is None else others
    total = torch.zeros(rows.shape[1], others.shape[1], dtype=torch.float64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        total += rows[part].double().T @ others[part].double()
    return total
