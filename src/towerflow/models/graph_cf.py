"""Collaborative filtering on the graph of users and items: LightGCN, and what SGL and SGCL train.

The three differ in their loss (`models/graph_losses.py`) and in nothing afterwards.
"""

import copy
from typing import Annotated, ClassVar, Final, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.adjacency import Adjacency, Edges
from towerflow.models.connector import Connector
from towerflow.models.llm_init import InitConfig, Strategy

UNKNOWN: Final = -1
TENSORS: Final = frozenset(
    {
        "user_table",
        "item_table",
        "item_messages",
        "final_items",
        "mean_user",
        "user_rows",
        "item_rows",
    }
)


class GraphCFConfig(BaseModel):
    """Size and first rows of the tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["graph_cf"] = "graph_cf"
    dim: Annotated[
        int | None, Field(gt=0, description="Length of a row; null: that of an embedding [128].")
    ] = 128
    num_layers: Annotated[
        int, Field(ge=0, description="Times that rows are propagated; 0: plain matrix factors [2].")
    ] = 2
    init: InitConfig = InitConfig()
    cosine: bool = Field(
        default=False, description="Score by the angle alone, as SGCL is trained; false: product."
    )
    connector: bool = Field(
        default=True,
        description="Give items without training interactions a vector by regression from their "
        "embedding; false: none, as LLMInit: those of the catalogue keep their first row, and all "
        "that come later score alike.",
    )

    @model_validator(mode="after")
    def _full_has_no_size(self) -> Self:
        if self.init.strategy is Strategy.FULL and self.dim is not None:
            raise ValueError("strategy full takes all dimensions: dim must be null")
        return self


class GraphCF:
    """Item vector = mean of its layers; user vector = the same, over the history as it is now.

    The last propagation to a user is done when the vector is asked for:
    `e_u = (e_u⁰ + Σ_{i ∈ history} Σ_{k<K} e_iᵏ / √(d_u d_i)) / (K + 1)`. For the history that was
    trained on this is LightGCN's equation 6; what came later counts at once. A stranger's `e_u⁰` is
    the mean of the items' rows, as LLMInit begins users. Nobody at all is the mean user.

    Args:
        settings: of the recipe.
        tensors: `user_table` `[trained_users, dim]` and `item_table` `[trained_items, dim]`, rows
            before propagation; `item_messages`, what an item adds to its users; `final_items`;
            `mean_user` `[dim]`; `user_rows` `[num_users]` and `item_rows` `[num_items]`, which row
            is whose, UNKNOWN for none; `connector_weight` and `connector_bias` if there is one.
        fallbacks: rows that could not begin as the recipe says, by reason.
    """

    kind: ClassVar[str] = "graph_cf"

    def __init__(
        self, settings: GraphCFConfig, tensors: dict[str, Tensor], fallbacks: dict[str, int]
    ) -> None:
        self.settings = settings
        self.fallbacks = fallbacks
        self._tensors = tensors

    @classmethod
    def of_tables(
        cls,
        settings: GraphCFConfig,
        table: Tensor,
        edges: Edges,
        fallbacks: dict[str, int] | None = None,
        adjacency: Adjacency | None = None,
    ) -> Self:
        """The model of trained rows, without a connector.

        Args:
            settings: of the recipe.
            table: `[num_users + num_items, dim]`, users first.
            edges: what it was trained on.
            fallbacks: see the class.
            adjacency: of `edges`, where it is at hand.
        """
        num_users, num_layers = edges.num_users, settings.num_layers
        adjacency = adjacency or Adjacency.of(edges, table.device)
        degrees = torch.from_numpy(edges.item_degrees()).to(table)
        layer, before_last = table, torch.zeros_like(table)
        for _ in range(num_layers):
            before_last += layer
            layer = adjacency.propagate(layer)
        messages = before_last[num_users:] / degrees.clamp(min=1).sqrt().unsqueeze(1)
        final = (before_last + layer) / (num_layers + 1)
        has_history = torch.from_numpy(edges.user_degrees() > 0).to(table.device)
        tensors = {
            "user_table": table[:num_users],
            "item_table": table[num_users:],
            "item_messages": messages,
            "final_items": final[num_users:],
            "mean_user": final[:num_users][has_history].mean(dim=0),
            "user_rows": _known(torch.arange(num_users), has_history.cpu()),
            "item_rows": torch.arange(edges.num_items),
        }
        own = {name: tensor.cpu().clone() for name, tensor in tensors.items()}
        return cls(settings, own, fallbacks or {})

    def with_connector(self, connector: Connector, is_warm: Tensor) -> Self:
        """The model that gives other than warm items the vectors of `connector`.

        Args:
            connector: from embeddings to final vectors.
            is_warm: `[num_items]` which items have training interactions.
        """
        other = copy.copy(self)
        other._tensors = {
            **self._tensors,
            "item_rows": _known(self._tensors["item_rows"], is_warm),
            "connector_weight": connector.weight,
            "connector_bias": connector.bias,
        }
        return other

    @property
    def serves_new_items(self) -> bool:
        """Whether there is a connector."""
        return "connector_weight" in self._tensors

    @property
    def trained_items(self) -> Tensor:
        """`[num_trained, dim]` rows before propagation of the items that have one now."""
        rows = self._tensors["item_rows"]
        return self._tensors["item_table"][rows[rows != UNKNOWN]]

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, dim]`; new items by the connector, or else as the average item."""
        final, rows = self._tensors["final_items"], self._tensors["item_rows"]
        vectors = final[rows.clamp(min=0)]
        new = rows == UNKNOWN
        if new.any():
            vectors[new] = self._connect(embeddings[new])
        return F.normalize(vectors, dim=1) if self.settings.cosine else vectors

    def _connect(self, embeddings: Tensor) -> Tensor:
        if not self.serves_new_items:
            return self._tensors["final_items"].mean(dim=0).expand(len(embeddings), -1)
        connector = Connector(self._tensors["connector_weight"], self._tensors["connector_bias"])
        return connector(embeddings)

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, dim]`; items without a row are passed over, repeated ones count once."""
        known = _each_once(histories)
        rows = self._tensors["item_rows"][torch.from_numpy(known.items)]
        known = known.where((rows != UNKNOWN).numpy())
        items, offsets = rows[rows != UNKNOWN], torch.from_numpy(known.offsets)
        degrees = torch.from_numpy(known.lengths).unsqueeze(1)
        users = self._user_rows(histories)
        own = users != UNKNOWN
        ego = _bags(items, self._tensors["item_table"], offsets) / degrees.clamp(min=1)
        ego[own] = self._tensors["user_table"][users[own]]
        received = _bags(items, self._tensors["item_messages"], offsets)
        vectors = ego + received / degrees.clamp(min=1).sqrt()
        vectors /= self.settings.num_layers + 1
        vectors[~own & (degrees.squeeze(1) == 0)] = self._tensors["mean_user"]
        return vectors

    def _user_rows(self, histories: ItemLists) -> Tensor:
        """`[num_users]` row of each list's user, UNKNOWN for strangers."""
        if histories.user_index is None or not len(self._tensors["user_rows"]):
            return torch.full((len(histories),), UNKNOWN)
        return self._tensors["user_rows"][torch.from_numpy(histories.user_index)]

    def for_items(self, trained_index: IntArray) -> Self:
        """See `RetrievalModel`."""
        return self._reindexed("item_rows", trained_index)

    def for_users(self, trained_index: IntArray) -> Self:
        """The model over other users.

        Args:
            trained_index: `[num_users]` which of the users it knew each is, -1 for a new one.
        """
        return self._reindexed("user_rows", trained_index)

    def _reindexed(self, name: str, trained_index: IntArray) -> Self:
        other = copy.deepcopy(self)
        rows = torch.cat([self._tensors[name], torch.tensor([UNKNOWN])])
        other._tensors[name] = rows[torch.from_numpy(trained_index)]
        return other

    def config(self) -> dict[str, JsonValue]:
        """Settings and fallbacks."""
        settings = self.settings.model_dump(mode="json")
        return {"kind": self.kind, "settings": settings, "fallbacks": {**self.fallbacks}}

    def tensors(self) -> dict[str, Tensor]:
        """Tables, and which row is whose."""
        return dict(self._tensors)

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild."""
        if missing := TENSORS - tensors.keys():
            raise KeyError(", ".join(sorted(missing)))
        settings, fallbacks = GraphCFConfig.model_validate(config["settings"]), config["fallbacks"]
        assert isinstance(fallbacks, dict), "written by config()"
        return cls(settings, tensors, {name: int(str(n)) for name, n in fallbacks.items()})


def _each_once(histories: ItemLists) -> ItemLists:
    """The lists without repetitions, as edges of a graph are; order is lost."""
    span = int(histories.items.max(initial=0)) + 1
    rows, items = np.divmod(np.unique(histories.rows() * span + histories.items), span)
    offsets = np.searchsorted(rows, np.arange(len(histories) + 1))
    return ItemLists(items, offsets, histories.user_index)


def _known(rows: Tensor, is_known: Tensor) -> Tensor:
    return torch.where(is_known, rows, UNKNOWN)


def _bags(rows: Tensor, table: Tensor, offsets: Tensor) -> Tensor:
    """`[num_bags, dim]` sum of the table's rows in each bag."""
    return F.embedding_bag(rows, table, offsets, mode="sum", include_last_offset=True)
