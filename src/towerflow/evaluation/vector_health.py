"""Whether vectors can be served at all: finite, of sane length, not collapsed."""

from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from towerflow.models.retrieval_model import RetrievalModel

MOST_STRETCHED: Final = 1_000.0  # longest over median length
ENOUGH_DIRECTIONS: Final = 8.0


class VectorHealth(BaseModel):
    """What the item vectors look like, and whether there are user vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dim: int = Field(description="Columns of a vector.")
    num_items: int
    broken_items: int = Field(description="Item vectors with NaN or infinity.")
    broken_users: int = Field(description="User vectors with them.")
    zero_items: int = Field(description="Item vectors of length 0, whose items score 0.")
    median_norm: float = Field(description="Of item vectors that are finite and not 0.")
    longest_norm: float = Field(description="Of the same.")
    effective_rank: float | None = Field(
        description="Directions that share their weight; null for vectors of very many columns."
    )

    def problems(self) -> list[str]:
        """What must not be served, in words; empty if nothing."""
        found = []
        if self.broken_items or self.broken_users:
            found.append(
                f"{self.broken_items:,} item vectors and {self.broken_users:,} user vectors "
                "are not finite"
            )
        if self.zero_items + self.broken_items == self.num_items:
            found.append("no item has a vector")
        # Of one column, lengths are scores: how often an item was taken.
        elif self.dim > 1 and self.longest_norm > MOST_STRETCHED * self.median_norm:
            found.append(
                f"the longest item vector is {self.longest_norm / self.median_norm:,.0f} times as "
                f"long as the median one; {MOST_STRETCHED:,.0f} are allowed"
            )
        if self.effective_rank is not None and self.effective_rank < self.least_rank:
            found.append(
                f"item vectors have collapsed: {self.effective_rank:.1f} of {self.dim} directions "
                f"carry anything; at least {self.least_rank:.1f} are expected"
            )
        return found

    @property
    def least_rank(self) -> float:
        """Eight directions, fewer where there is little room: a quarter of columns and of items."""
        return min(ENOUGH_DIRECTIONS, self.dim / 4, self.num_items / 4)


@torch.inference_mode()
def vector_health(
    model: RetrievalModel,
    embeddings: Tensor,
    broken_users: int,
    effective_rank: float | None,
) -> VectorHealth:
    """Look at the item vectors of `model`.

    Args:
        model: what is judged.
        embeddings: `[num_items, embedding_dim]`.
        broken_users: how many test users' vectors are not finite.
        effective_rank: of the item vectors, if it is known.
    """
    items = model.item_vectors(embeddings).cpu()
    finite = items.isfinite().all(dim=1)
    norms = torch.linalg.vector_norm(items, dim=1, dtype=torch.float64)[finite]
    positive = norms[norms > 0]
    return VectorHealth(
        dim=items.shape[1],
        num_items=len(items),
        broken_items=int((~finite).sum()),
        broken_users=broken_users,
        zero_items=int((norms == 0).sum()),
        median_norm=float(positive.median()) if len(positive) else 0.0,
        longest_norm=float(positive.max()) if len(positive) else 0.0,
        effective_rank=effective_rank,
    )
