"""The content-only baseline: what reads like what the user took."""

from typing import ClassVar, Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.standardise import Standardise


class ContentMeanConfig(BaseModel):
    """Whether the baseline gets the same standardised embeddings as the model beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["content_mean"] = "content_mean"
    standardise: bool = Field(
        default=True, description="Centre and scale embeddings; false = the LLM's raw output."
    )


class ContentMean:
    """Item vector = unit embedding, user vector = mean of the history's item vectors.

    This is LEARN's "without alignment" ablation.
    """

    kind: ClassVar[str] = "content_mean"
    serves_new_items: ClassVar[bool] = True

    def __init__(self, standardise: Standardise) -> None:
        self.standardise = standardise

    @classmethod
    def fit(cls, embeddings: Tensor, config: ContentMeanConfig) -> Self:
        """Take mean and scale from the catalogue `[num_items, embedding_dim]`."""
        fitted = Standardise.fit(embeddings) if config.standardise else None
        return cls(fitted or Standardise(embeddings.shape[1]))

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, embedding_dim]`, unit length."""
        return F.normalize(self.standardise(embeddings), dim=-1)

    def for_items(self, trained_index: IntArray) -> Self:
        """Itself: it knows no item."""
        return self

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, embedding_dim]`; zeros without a history."""
        items = self.item_vectors(embeddings)
        sums = torch.zeros(len(histories), items.shape[1])
        sums.index_add_(0, torch.from_numpy(histories.rows()), items[histories.items])
        return sums / torch.from_numpy(histories.lengths).clamp(min=1).unsqueeze(1)

    def config(self) -> dict[str, JsonValue]:
        """Only the kind: what was fitted is in the tensors."""
        return {"kind": self.kind}

    def tensors(self) -> dict[str, Tensor]:
        """Mean and scale."""
        return {"mean": self.standardise.mean, "scale": self.standardise.scale}

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild."""
        standardise = Standardise(len(tensors["mean"]))
        standardise.load_state_dict(tensors)
        return cls(standardise)
