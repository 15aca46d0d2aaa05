"""The popularity baseline: everybody gets what most people took."""

from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, JsonValue
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists


class PopularityConfig(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["popularity"] = "popularity"


class Popularity:
    """Item vector = `[number of training interactions]`, user vector = `[1]`."""

    kind: ClassVar[str] = "popularity"
    serves_new_items: ClassVar[bool] = False

    def __init__(self, counts: Tensor) -> None:
        self.counts = counts

    @classmethod
    def fit(cls, histories: ItemLists, num_items: int) -> Self:
        """Count each item's interactions in `histories`."""
        counts = np.bincount(histories.items, minlength=num_items)
        return cls(torch.from_numpy(counts).to(torch.float32))

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, 1]`."""
        return self.counts.unsqueeze(1)

    def for_items(self, trained_index: IntArray) -> Self:
        """See `RetrievalModel`; nobody has taken new items."""
        return type(self)(torch.cat([self.counts, torch.zeros(1)])[trained_index])

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, 1]`, all ones."""
        return torch.ones(len(histories), 1)

    def config(self) -> dict[str, JsonValue]:
        """Only the kind."""
        return {"kind": self.kind}

    def tensors(self) -> dict[str, Tensor]:
        """The counts."""
        return {"counts": self.counts}

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild."""
        return cls(tensors["counts"])
