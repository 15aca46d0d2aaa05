"""A causal transformer over packed or padded sequences, as in BERT: post-norm, GELU."""

from enum import StrEnum
from typing import Annotated, Protocol, Self

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

NORM_EPSILON = 1e-12  # of bert-base-uncased
ROTARY_BASE = 10_000.0


class Positions(StrEnum):
    """How the transformer knows the order of a sequence, beside the causal mask."""

    NONE = "none"
    LEARNED = "learned"
    ROTARY = "rotary"


class TransformerConfig(BaseModel):
    """Size of the transformer; LEARN's own values (Amazon, industrial) are in brackets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: Annotated[int, Field(gt=0, description="Hidden width [768].")] = 128
    num_layers: Annotated[int, Field(gt=0, description="Layers [4, 12].")] = 2
    num_heads: Annotated[int, Field(gt=0, description="Attention heads [12].")] = 4
    feedforward: Annotated[int, Field(gt=0, description="Width of the inner layer [3072].")] = 512
    max_history: Annotated[
        int, Field(gt=0, description="Most recent items of a user that are read [40, 80].")
    ] = 50
    positions: Positions = Field(
        default=Positions.NONE, description="none (only the causal mask tells), learned or rotary."
    )
    dropout: Annotated[float, Field(ge=0, lt=1, description="Of each sublayer [0.1].")] = 0.1
    attention_dropout: Annotated[
        float, Field(ge=0, lt=1, description="Of attention weights [0.1].")
    ] = 0.0

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        if self.positions is Positions.ROTARY and self.width // self.num_heads % 2:
            raise ValueError("rotary positions need heads of even width")
        return self


class Sequences(Protocol):
    """Where the tokens of several sequences stand, as packed or padded."""

    @property
    def positions(self) -> Tensor:
        """`[num_tokens]` place of each in its sequence, 0 for the oldest."""
        ...

    @property
    def visible(self) -> Tensor:
        """`[num_rows, 1, row_length, row_length]` whether place q may look at place k."""
        ...

    def spread(self, tokens: Tensor) -> Tensor:
        """`[num_tokens, width]` to `[num_rows, row_length, width]`."""
        ...

    def gather(self, rows: Tensor) -> Tensor:
        """The inverse of `spread`."""
        ...


class Transformer(nn.Module):
    """Layers of causal self-attention and feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.position_embedding = (
            nn.Embedding(config.max_history, config.width)
            if config.positions is Positions.LEARNED
            else None
        )
        if self.position_embedding is not None:
            nn.init.normal_(self.position_embedding.weight, std=0.02)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.num_layers))

    def forward(self, tokens: Tensor, sequences: Sequences) -> Tensor:
        """`[num_tokens, width]` to the same; a token sees its sequence up to itself."""
        if self.position_embedding is not None:
            tokens = tokens + self.position_embedding(sequences.positions)
        for layer in self.layers:
            tokens = layer(tokens, sequences)
        return tokens

    def alone(self, tokens: Tensor) -> Tensor:
        """`[num_tokens, width]`, each a sequence of its own: it attends to itself alone."""
        if self.position_embedding is not None:
            tokens = tokens + self.position_embedding.weight[0]
        for layer in self.layers:
            assert isinstance(layer, TransformerLayer)
            tokens = layer.alone(tokens)
        return tokens


class TransformerLayer(nn.Module):
    """Attention, add & norm, feed-forward, add & norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.is_rotary = config.positions is Positions.ROTARY
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.attention_output = nn.Linear(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        self.feedforward_in = nn.Linear(config.width, config.feedforward)
        self.feedforward_out = nn.Linear(config.feedforward, config.width)
        self.feedforward_norm = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(config.dropout)
        self.attention_dropout = config.attention_dropout

    def forward(self, tokens: Tensor, sequences: Sequences) -> Tensor:
        """`[num_tokens, width]` to the same shape."""
        return self._finish(tokens, self._attend(self.query_key_value(tokens), sequences))

    def alone(self, tokens: Tensor) -> Tensor:
        """`forward` for sequences of length 1, where all attention falls on the token's own value.

        Queries and keys change nothing there, so they aren't computed, and no attention is dropped.
        """
        width = tokens.shape[1]
        value = self.query_key_value
        return self._finish(
            tokens, F.linear(tokens, value.weight[2 * width :], value.bias[2 * width :])
        )

    def _attend(self, query_key_value: Tensor, sequences: Sequences) -> Tensor:
        rows = sequences.spread(query_key_value)
        heads = rows.view(*rows.shape[:2], 3, self.num_heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        if self.is_rotary:
            angles = rotary_angles(sequences.positions, query.shape[-1])
            angles = sequences.spread(angles).unsqueeze(1)
            query, key = rotate(query, angles), rotate(key, angles)
        dropout = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=sequences.visible, dropout_p=dropout
        )
        return sequences.gather(mixed.transpose(1, 2).flatten(2))

    def _finish(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        tokens = self.attention_norm(tokens + self.dropout(self.attention_output(mixed)))
        inner = self.feedforward_out(F.gelu(self.feedforward_in(tokens)))
        output: Tensor = self.feedforward_norm(tokens + self.dropout(inner))
        return output


def rotary_angles(positions: Tensor, head_dim: int) -> Tensor:
    """`[num_tokens, head_dim / 2]`: position × base^(−2i / head_dim) (RoFormer, eq. 15)."""
    steps = torch.arange(0, head_dim, 2, device=positions.device) / head_dim
    return positions.unsqueeze(1) * ROTARY_BASE**-steps


def rotate(heads: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (first half, second half) of `heads` `[…, head_dim]` by its angle."""
    first, second = heads.chunk(2, dim=-1)
    cosine, sine = angles.cos().to(heads.dtype), angles.sin().to(heads.dtype)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
