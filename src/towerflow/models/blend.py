"""Several models as one: their scores are added, their vectors laid end to end.

Each member's scores over its τ are logits of a softmax; their weighted sum is the logarithmic
opinion pool of the members (Genest and Zidek 1986), and still one dot product.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import JsonValue
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.learn import Learn
from towerflow.models.sasrec import SASRec

Member = Learn | SASRec
MEMBERS: dict[str, type[Member]] = {model.kind: model for model in (Learn, SASRec)}


class Blend:
    """Score = Σ weight × score / τ over the members.

    Args:
        members: trained each for itself.
        weights: of each member's logits.
    """

    kind: ClassVar[str] = "blend"

    def __init__(self, members: Sequence[Member], weights: Sequence[float]) -> None:
        self.members = list(members)
        self.weights = list(weights)

    @property
    def serves_new_items(self) -> bool:
        """Whether a member tells new items apart."""
        return any(member.serves_new_items for member in self.members)

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, sum of dims]`."""
        return torch.cat(
            [member.item_vectors(embeddings) * factor for member, factor in self.factors()], dim=1
        )

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, sum of dims]`."""
        vectors = [
            member.user_vectors(histories, embeddings) * factor for member, factor in self.factors()
        ]
        return torch.cat(vectors, dim=1)

    def factors(self) -> list[tuple[Member, float]]:
        """√(weight / τ) for both towers: then items beside items weigh as users beside items do."""
        return [
            (member, math.sqrt(weight / member.temperature))
            for member, weight in zip(self.members, self.weights, strict=True)
        ]

    def for_items(self, trained_index: IntArray) -> Self:
        """See `RetrievalModel`."""
        return type(self)([one.for_items(trained_index) for one in self.members], self.weights)

    def config(self) -> dict[str, JsonValue]:
        """Weights and the members' own."""
        members: list[JsonValue] = [member.config() for member in self.members]
        return {"kind": self.kind, "weights": list(self.weights), "members": members}

    def tensors(self) -> dict[str, Tensor]:
        """The members' own, by number."""
        return {
            f"{number}.{name}": tensor
            for number, member in enumerate(self.members)
            for name, tensor in member.tensors().items()
        }

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild, in evaluation mode."""
        members, weights = config["members"], config["weights"]
        assert isinstance(members, list), "written by config()"
        assert isinstance(weights, list), "written by config()"
        return cls(
            [_restore(number, member, tensors) for number, member in enumerate(members)],
            [float(str(weight)) for weight in weights],
        )


def _restore(number: int, config: JsonValue, tensors: dict[str, Tensor]) -> Member:
    assert isinstance(config, dict), "written by config()"
    prefix = f"{number}."
    own = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    return MEMBERS[str(config["kind"])].restore(config, own)
