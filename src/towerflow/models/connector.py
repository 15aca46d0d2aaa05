"""From an LLM embedding to a trained item vector, for items that nobody has taken yet."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from towerflow.models.gram import gram
from towerflow.models.standardise import Standardise

RIDGES: Final = tuple(10.0**power for power in range(-4, 7))
MAX_STRETCH: Final = 2.0
SMALLEST: Final = 1e-12  # divides nothing by zero


@dataclass(frozen=True)
class Connector:
    """An affine map from embeddings to item vectors.

    Attributes:
        weight: `[embedding_dim, dim]`.
        bias: `[dim]`.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """`[num_items, embedding_dim]` to `[num_items, dim]`."""
        return embeddings @ self.weight + self.bias


@dataclass(frozen=True)
class Ridge:
    """A ridge regression whose inputs are known and whose outputs change as training goes on.

    Attributes:
        standardise: of the embeddings.
        inputs: `[num_items, embedding_dim]` standardised embeddings X of warm items.
        spread: `[embedding_dim]` eigenvalues of XᵀX.
        axes: `[embedding_dim, embedding_dim]` its eigenvectors, in columns.
    """

    standardise: Standardise
    inputs: Tensor
    spread: Tensor
    axes: Tensor

    @classmethod
    def of(cls, embeddings: Tensor) -> Self:
        """Of the `embeddings` `[num_items, embedding_dim]` of warm items."""
        standardise = Standardise.fit(embeddings)
        inputs = standardise(embeddings)
        spread, axes = torch.linalg.eigh(gram(inputs))
        return cls(standardise, inputs, spread.clamp(min=0), axes)

    def fit(self, vectors: Tensor) -> Connector:
        """The map to `vectors` `[num_items, dim]` of the least generalised cross-validation error.

        A regression's vectors are shorter than what they predict, and a dot product would punish
        new items for it: they are stretched to the mean length of `vectors`, if they aren't so
        short that text says next to nothing.

        Source of the error: Golub, Heath and Wahba 1979, equation 1.4, over all outputs together.
        """
        mean = vectors.double().mean(dim=0)
        rotated = self.axes.T @ gram(self.inputs, vectors - mean.float())
        ridge = self._best_ridge(rotated, float((vectors - mean.float()).double().square().sum()))
        weight = self.axes @ (rotated / (self.spread + ridge).unsqueeze(1))
        predicted = (self.inputs @ weight.float() + mean.float()).norm(dim=1).mean()
        stretch = float(vectors.norm(dim=1).mean() / predicted.clamp(min=SMALLEST))
        stretch = min(stretch, MAX_STRETCH)
        weight = weight / self.standardise.scale.double().unsqueeze(1)
        bias = mean - self.standardise.mean.double() @ weight
        return Connector((weight * stretch).float(), (bias * stretch).float())

    def _best_ridge(self, rotated: Tensor, total: float) -> float:
        """Of RIDGES times the mean of `spread`, the one of the least error.

        Args:
            rotated: `[embedding_dim, dim]` VᵀXᵀY.
            total: ‖Y‖².
        """
        energy = rotated.square().sum(dim=1)
        num_rows = len(self.inputs)
        candidates = [factor * max(float(self.spread.mean()), SMALLEST) for factor in RIDGES]
        errors = []
        for ridge in candidates:
            gain = 1 / (self.spread + ridge)
            explained = float((energy * (2 * gain - self.spread * gain.square())).sum())
            freedom = 1 + float((self.spread * gain).sum())  # 1: the mean
            left = max(num_rows - freedom, SMALLEST)
            errors.append(num_rows * max(total - explained, 0.0) / left**2)
        return candidates[int(np.argmin(errors))]
