"""LEARN: a frozen LLM's item embeddings, aligned with what users do by one shared tower.

Source: LEARN (arXiv 2405.03988), user tower = item tower = content adaptor → causal transformer
encoder → output projection, L2-normalised; score = cosine.
"""

from typing import Annotated, ClassVar, Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from torch import Tensor, nn

from towerflow.interactions.histories import ItemLists
from towerflow.models.standardise import Standardise

USERS_AT_ONCE = 512  # bounds the memory of scoring, not the result
ITEMS_AT_ONCE = 8192


class LearnConfig(BaseModel):
    """Size of the tower; the paper's own sizes are in brackets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["learn"] = "learn"
    width: Annotated[int, Field(gt=0, description="Hidden width of the encoder [768].")] = 128
    num_layers: Annotated[int, Field(gt=0, description="Encoder layers [4 Amazon, 12].")] = 2
    num_heads: Annotated[int, Field(gt=0, description="Attention heads [12].")] = 4
    feedforward: Annotated[int, Field(gt=0, description="Width of the inner layer [3072].")] = 512
    dim: Annotated[int, Field(gt=0, description="Length of user and item vectors [64, 4096].")] = 64
    max_history: Annotated[
        int, Field(gt=0, description="Most recent items of a user that are read [40, 80].")
    ] = 50
    dropout: Annotated[float, Field(ge=0, lt=1, description="In the encoder [0.1].")] = 0.1
    temperature: Annotated[float, Field(gt=0, description="τ of the softmax [0.05].")] = 0.05

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        return self


class EncoderLayer(nn.Module):
    """Post-norm transformer layer, as in BERT: attention, add & norm, GELU feed-forward, ditto."""

    def __init__(self, config: LearnConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.attention_output = nn.Linear(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width)
        self.feedforward_in = nn.Linear(config.width, config.feedforward)
        self.feedforward_out = nn.Linear(config.feedforward, config.width)
        self.feedforward_norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """`[batch, length, width]` to the same shape; position t sees positions ≤ t only."""
        hidden = self.attention_norm(hidden + self.dropout(self._attend(hidden)))
        inner = self.feedforward_out(F.gelu(self.feedforward_in(hidden)))
        output: Tensor = self.feedforward_norm(hidden + self.dropout(inner))
        return output

    def _attend(self, hidden: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        split = self.query_key_value(hidden).view(
            batch, length, 3, self.num_heads, width // self.num_heads
        )
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # Padding is on the right, so the causal mask already hides it from every real position.
        dropout = self.dropout.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        output: Tensor = self.attention_output(mixed.transpose(1, 2).reshape(batch, length, width))
        return output


class Learn(nn.Module):
    """The twin tower with shared weights. No positions: order enters by the causal mask alone."""

    kind: ClassVar[str] = "learn"
    serves_new_items: ClassVar[bool] = True

    def __init__(self, config: LearnConfig, embedding_dim: int) -> None:
        super().__init__()
        self.settings = config
        self.embedding_dim = embedding_dim
        self.standardise = Standardise(embedding_dim)
        self.content_adaptor = nn.Linear(embedding_dim, config.width)
        self.encoder = nn.Sequential(*(EncoderLayer(config) for _ in range(config.num_layers)))
        self.output_projection = nn.Linear(config.width, config.dim)

    def forward(self, embeddings: Tensor) -> Tensor:
        """`[batch, length, embedding_dim]` to unit vectors `[batch, length, dim]`."""
        return self.align(self.adapt(embeddings))

    def adapt(self, embeddings: Tensor) -> Tensor:
        """Content adaptor: `[..., embedding_dim]` to `[..., width]`."""
        adapted: Tensor = self.content_adaptor(self.standardise(embeddings))
        return adapted

    def align(self, adapted: Tensor) -> Tensor:
        """Encoder and projection: `[batch, length, width]` to unit vectors `[…, …, dim]`."""
        return F.normalize(self.output_projection(self.encoder(adapted)), dim=-1)

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, dim]`: each item alone through the shared weights (sequence length 1)."""
        blocks = torch.split(embeddings, ITEMS_AT_ONCE)
        return torch.cat([self(block.unsqueeze(1)).squeeze(1) for block in blocks])

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, dim]`: the output at the last real position; zeros without a history."""
        recent = histories.last(self.settings.max_history)
        adapted = self.adapt(embeddings)
        vectors = torch.zeros(len(recent), self.settings.dim, device=embeddings.device)
        known = torch.from_numpy(recent.lengths).nonzero().squeeze(1)
        # Users of equal length share a block, so that little is computed for padding.
        order = known[torch.from_numpy(recent.lengths)[known].argsort(stable=True)]
        for users in torch.split(order, USERS_AT_ONCE):
            block = recent.take(users.numpy())
            items = torch.from_numpy(block.padded(fill=0))
            outputs = self.align(adapted[items])
            last = torch.from_numpy(block.lengths) - 1
            vectors[users] = outputs[torch.arange(len(users)), last]
        return vectors

    def config(self) -> dict[str, JsonValue]:
        """Settings and the embedding width they were trained with."""
        return {**self.settings.model_dump(), "embedding_dim": self.embedding_dim}

    def tensors(self) -> dict[str, Tensor]:
        """Weights, and the mean and scale of the training catalogue."""
        return dict(self.state_dict())

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild, in evaluation mode."""
        settings = {key: value for key, value in config.items() if key != "embedding_dim"}
        embedding_dim = config["embedding_dim"]
        assert isinstance(embedding_dim, int), "written by config()"
        model = cls(LearnConfig.model_validate(settings), embedding_dim)
        model.load_state_dict(tensors)
        return model.eval()
