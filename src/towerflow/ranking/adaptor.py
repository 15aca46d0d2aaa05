"""LEARN's adaptor for ranking models: user and item vectors fused into a feature.

Source: LEARN (arXiv 2405.03988), ranking integration: two linear layers fuse the vectors, an MLP on
top learns conversions (the auxiliary loss), and the ranking model reads the fusion beside both
vectors. Widths are not published.
"""

from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class RankingAdaptorConfig(BaseModel):
    """Size and training of the adaptor."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hidden: Annotated[int, Field(gt=0, description="Width between the linear layers.")] = 128
    fusion_dim: Annotated[int, Field(gt=0, description="Length of the fusion embedding.")] = 32
    epochs: Annotated[int, Field(gt=0, description="Passes over the pairs at most.")] = 30
    patience: Annotated[int, Field(gt=0, description="Epochs without a better AUC.")] = 5
    batch_size: Annotated[int, Field(gt=0, description="Pairs of a step.")] = 512
    learning_rate: Annotated[float, Field(gt=0, description="Of AdamW.")] = 1e-3
    held_out_share: Annotated[
        float, Field(gt=0, lt=1, description="Share of users who choose the epoch.")
    ] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Of weights and order.")] = 0


class RankingAdaptor(nn.Module):
    """Fusion module and CVR head over vectors of length `dim`."""

    def __init__(self, config: RankingAdaptorConfig, dim: int) -> None:
        super().__init__()
        self.settings = config
        self.dim = dim
        self.fusion_in = nn.Linear(2 * dim, config.hidden)
        self.fusion_out = nn.Linear(config.hidden, config.fusion_dim)
        self.head_in = nn.Linear(config.fusion_dim, config.hidden)
        self.head_out = nn.Linear(config.hidden, 1)

    def fuse(self, user_vectors: Tensor, item_vectors: Tensor) -> Tensor:
        """`[num_pairs, dim]` twice to fusion embeddings `[num_pairs, fusion_dim]`."""
        both = torch.cat([user_vectors, item_vectors], dim=1)
        fused: Tensor = self.fusion_out(F.gelu(self.fusion_in(both)))
        return fused

    def conversion_logits(self, fused: Tensor) -> Tensor:
        """`[num_pairs]` log-odds of a conversion."""
        logits: Tensor = self.head_out(F.gelu(self.head_in(fused))).squeeze(1)
        return logits

    def features(self, user_vectors: Tensor, item_vectors: Tensor) -> Tensor:
        """What a ranking model reads: `[num_pairs, fusion_dim + 2 dim]`."""
        fused = self.fuse(user_vectors, item_vectors)
        return torch.cat([fused, user_vectors, item_vectors], dim=1)
