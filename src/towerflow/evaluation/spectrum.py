"""What the singular values of a table say of its dimensions."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from towerflow.models.gram import gram

NUM_POINTS: Final = 64  # singular values that are kept of a table
ROUNDING: Final = 1e-7  # share of the largest below which a value is rounding of the product


class Spectrum(BaseModel):
    """What the singular values σ of one table say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str = Field(description="Which table.")
    dim: int = Field(description="Its columns.")
    information_abundance: float = Field(
        description="Σσ / σ_max, from 1 (collapsed to a line) to dim (Guo et al., ICML 2024)."
    )
    effective_rank: float = Field(
        description="exp of the entropy of σ / Σσ (Roy and Vetterli, EUSIPCO 2007)."
    )
    singular_values: list[float] = Field(
        description="σ / σ_max, descending, at up to 64 places evenly spread from first to last."
    )


def spectrum(table: str, rows: Tensor) -> Spectrum:
    """That of `rows` `[num_rows, dim]` without those that are not finite.

    A table of zeros, or of nothing, has abundance and rank 0.
    """
    finite = rows.isfinite().all(dim=1)
    values = singular_values(rows if finite.all() else rows[finite])
    largest = float(values[0])
    if not largest > 0:
        return Spectrum(
            table=table,
            dim=rows.shape[1],
            information_abundance=0,
            effective_rank=0,
            singular_values=[],
        )
    shares = values[values > 0] / values.sum()
    places = np.linspace(0, len(values) - 1, min(NUM_POINTS, len(values))).round().astype(int)
    return Spectrum(
        table=table,
        dim=rows.shape[1],
        information_abundance=float(values.sum()) / largest,
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())),
        singular_values=[float(value) for value in values[places] / largest],
    )


def singular_values(rows: Tensor) -> NDArray[np.float64]:
    """`[dim]`, descending, by way of `rows`ᵀ`rows`, which is small."""
    squares = torch.linalg.eigvalsh(gram(rows)).flip(dims=(0,)).clamp(min=0)
    values: NDArray[np.float64] = squares.sqrt().numpy()
    values[values < values[0] * ROUNDING] = 0.0
    return values
