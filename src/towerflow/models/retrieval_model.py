"""The one interface that evaluation and export know of a model."""

from typing import ClassVar, Protocol, Self

from pydantic import JsonValue
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists


class RetrievalModel(Protocol):
    """Two towers whose dot product is the score.

    A model that cannot do without training data has a `fit` or is trained; here it is only used.
    """

    kind: ClassVar[str]
    """Name of the model in recipes and in `config.json`."""

    @property
    def serves_new_items(self) -> bool:
        """Whether it can rank items that it was not trained on."""
        ...

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """Item tower.

        Args:
            embeddings: `[num_items, embedding_dim]` what the LLM gave; row = item_index.

        Returns:
            `[num_items, dim]`.
        """
        ...

    def for_items(self, trained_index: IntArray) -> Self:
        """The model over another catalogue.

        Args:
            trained_index: `[num_items]` which of the items it knew each is, -1 for a new one.
        """
        ...

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """User tower.

        Args:
            histories: items of each user, oldest first; a user without any is a cold user.
            embeddings: `[num_items, embedding_dim]` of the items that `histories` indexes.

        Returns:
            `[num_users, dim]`.
        """
        ...

    def config(self) -> dict[str, JsonValue]:
        """What `restore` needs beside the tensors."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything learnt, by name."""
        ...

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild from `config()` and `tensors()`."""
        ...
