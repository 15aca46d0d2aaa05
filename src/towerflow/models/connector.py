"""From an LLM embedding to a trained item vector, for items that nobody has taken yet."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from towerflow.models.standardise import Standardise

RIDGES: Final = tuple(10.0**power for power in range(-2, 7))


@dataclass(frozen=True)
class Connector:
    """A ridge regression from standardised embeddings to the trained vectors of warm items.

    Attributes:
        weight: `[embedding_dim, dim]`.
        bias: `[dim]`.
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, embeddings: Tensor, vectors: Tensor) -> Self:
        """The map with the least generalised cross-validation error over RIDGES.

        Source: Golub, Heath and Wahba 1979, equation 1.4, over all outputs together.

        Args:
            embeddings: `[num_items, embedding_dim]` of warm items.
            vectors: `[num_items, dim]` what training made of them.
        """
        standardise = Standardise.fit(embeddings)
        inputs = standardise(embeddings).double()
        mean = vectors.double().mean(dim=0)
        targets = vectors.double() - mean
        spread, axes = torch.linalg.eigh(inputs.T @ inputs)
        spread = spread.clamp(min=0)
        rotated = axes.T @ (inputs.T @ targets)
        ridge = _best_ridge(spread, rotated, float(targets.square().sum()), len(inputs))
        weight = axes @ (rotated / (spread + ridge).unsqueeze(1))
        weight = weight / standardise.scale.double().unsqueeze(1)
        bias = mean - standardise.mean.double() @ weight
        return cls(weight.float(), bias.float())

    def __call__(self, embeddings: Tensor) -> Tensor:
        """`[num_items, embedding_dim]` to `[num_items, dim]`."""
        return embeddings @ self.weight + self.bias


def _best_ridge(spread: Tensor, rotated: Tensor, total: float, num_rows: int) -> float:
    """Of RIDGES times the mean of `spread`, the one of the least error.

    Args:
        spread: `[embedding_dim]` eigenvalues of XᵀX.
        rotated: `[embedding_dim, dim]` VᵀXᵀY.
        total: ‖Y‖².
        num_rows: rows of X.
    """
    energy = rotated.square().sum(dim=1)
    errors = []
    candidates = [factor * max(float(spread.mean()), 1e-12) for factor in RIDGES]
    for ridge in candidates:
        gain = 1 / (spread + ridge)
        residual = total - float((energy * (2 * gain - spread * gain.square())).sum())
        freedom = 1 + float((spread * gain).sum())  # 1: the mean
        left = max(num_rows - freedom, 1e-9)
        errors.append(num_rows * max(residual, 0.0) / left**2)
    return candidates[int(np.argmin(errors))]
