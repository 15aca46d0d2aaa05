"""Linear baselines: what a user took votes for other items, by a matrix of weights.

Item-kNN and EASE differ in how the matrix is made from the log, and in nothing afterwards.
"""

from typing import Annotated, ClassVar, Final, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import Tensor

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray, ItemLists

MAX_ITEMS: Final = 30_000  # the matrix is dense, 3.6 GB, and fitting takes four of them


class ItemKNNConfig(BaseModel):
    """Similar items by co-occurrence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["item_knn"] = "item_knn"
    num_neighbours: Annotated[int, Field(gt=0, description="Most similar items that vote.")] = 100
    shrinkage: Annotated[
        float, Field(ge=0, description="Users added to the denominator; mistrusts rare pairs.")
    ] = 10.0


class EaseConfig(BaseModel):
    """The closed-form linear auto-encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["ease"] = "ease"
    l2: Annotated[float, Field(gt=0, description="λ, added to the diagonal of XᵀX.")] = 100.0


class ItemToItem:
    """Score of item j = Σ over the history's items i of `weights[i, j]`.

    As two towers: user vector = which items were taken, item vector = column of the matrix.
    """

    kind: ClassVar[str] = "item_to_item"
    serves_new_items: ClassVar[bool] = False

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    @classmethod
    def fit_item_knn(cls, histories: ItemLists, num_items: int, config: ItemKNNConfig) -> Self:
        """Cosine of items' user sets, `c_ij / (√(n_i n_j) + shrinkage)`.

        Only the most similar items vote for an item; after Deshpande and Karypis, TOIS 2004.
        """
        together = co_occurrences(histories, num_items)
        counts = together.diagonal().clone()
        similar = together / ((counts.unsqueeze(1) * counts).sqrt() + config.shrinkage).clamp(min=1)
        similar.fill_diagonal_(0)
        best, items = similar.topk(min(config.num_neighbours, num_items), dim=0)
        return cls(torch.zeros_like(similar).scatter_(0, items, best))

    @classmethod
    def fit_ease(cls, histories: ItemLists, num_items: int, config: EaseConfig) -> Self:
        """`B = -P / diag(P)` off the diagonal, 0 on it, with `P = (XᵀX + λI)⁻¹`.

        Source: EASE (Steck, WWW 2019), equation 8.
        """
        gram = co_occurrences(histories, num_items)
        gram.diagonal().add_(config.l2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        weights = inverse / -inverse.diagonal()
        weights.fill_diagonal_(0)
        return cls(weights)

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, num_items]`."""
        return self.weights.T

    def for_items(self, trained_index: IntArray) -> Self:
        """See `RetrievalModel`; nothing votes for new items, nor do they vote."""
        wider = F.pad(self.weights, (0, 1, 0, 1))
        return type(self)(wider[trained_index][:, trained_index])

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, num_items]`, 1 where the user took the item."""
        vectors = torch.zeros(len(histories), len(self.weights))
        vectors[histories.rows(), histories.items] = 1.0
        return vectors

    def config(self) -> dict[str, JsonValue]:
        """Only the kind."""
        return {"kind": self.kind}

    def tensors(self) -> dict[str, Tensor]:
        """The matrix."""
        return {"weights": self.weights}

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild."""
        return cls(tensors["weights"])


def co_occurrences(histories: ItemLists, num_items: int) -> Tensor:
    """XᵀX `[num_items, num_items]`: how many users took both; on the diagonal, either.

    Raises:
        InputError: a catalogue too large for a dense matrix.
    """
    if num_items > MAX_ITEMS:
        raise InputError(
            "the catalogue",
            expected=f"at most {MAX_ITEMS:,} items for a model with a weight for each pair",
            found=f"{num_items:,}",
        )
    together = np.zeros((num_items, num_items), dtype=np.float32)
    for user in range(len(histories)):
        items = np.unique(histories[user])
        together[np.ix_(items, items)] += 1
    return torch.from_numpy(together)
