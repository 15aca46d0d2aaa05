"""LEARN: a frozen LLM's item embeddings, aligned with what users do by one shared tower.

Source: LEARN (arXiv 2405.03988), user tower = item tower = content adaptor → causal transformer
encoder → output projection, L2-normalised; score = cosine.
"""

import copy
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from numpy.typing import NDArray
from pydantic import Field, JsonValue, model_validator
from torch import Tensor, nn

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.packed import PackedSequences
from towerflow.models.sequence_model import vectors_of_users
from towerflow.models.standardise import Standardise
from towerflow.models.transformer import Transformer, TransformerConfig

ITEMS_AT_ONCE = 8192  # bounds the memory of scoring, not the result


class ItemInput(StrEnum):
    """What the towers read of an item; all but content are ablations."""

    CONTENT = "content"
    ID = "id"
    CONTENT_ID = "content_id"


class ItemTower(StrEnum):
    """How training makes vectors of target items: the paper's variants (a), (b) and (c)."""

    SEQUENCE = "sequence"
    SINGLE = "single"
    RAW = "raw"


class LearnConfig(TransformerConfig):
    """Size of the tower and its variants; the paper's own values are in brackets."""

    kind: Literal["learn"] = "learn"
    dim: Annotated[
        int | None,
        Field(gt=0, description="Length of vectors [64; null: as the LLM's embeddings]."),
    ] = 64
    item_input: ItemInput = Field(
        default=ItemInput.CONTENT, description="content, id, or content_id: their sum."
    )
    item_tower: ItemTower = Field(
        default=ItemTower.SINGLE,
        description="sequence: the targets of a user causally; single: each alone (the same where "
        "there is one target); raw: the embedding itself.",
    )
    input_dropout: Annotated[
        float, Field(ge=0, lt=1, description="Of what the user tower reads of an item [0].")
    ] = 0.0
    standardise: bool = Field(
        default=True, description="Centre and scale embeddings before they are read [false]."
    )
    temperature: Annotated[float, Field(gt=0, description="τ of the softmax [0.05].")] = 0.05

    @model_validator(mode="after")
    def _raw_items_have_content(self) -> Self:
        if self.item_tower is ItemTower.RAW and self.item_input is not ItemInput.CONTENT:
            raise ValueError("item_tower raw is the content's embedding: it has no id in it")
        if self.item_tower is ItemTower.RAW and self.dim is not None:
            raise ValueError("item_tower raw has vectors as long as embeddings: dim must be null")
        return self


class Learn(nn.Module):
    """The twin tower with shared weights.

    Args:
        config: size and variants.
        embedding_dim: length of the LLM's embeddings.
        num_items: items that may have an id of their own; others are known by content alone.
    """

    kind: ClassVar[str] = "learn"
    id_rows: Tensor  # [num_items of the catalogue] row of each item's id

    def __init__(self, config: LearnConfig, embedding_dim: int, num_items: int) -> None:
        super().__init__()
        self.settings = config
        self.embedding_dim = embedding_dim
        self.standardise = Standardise(embedding_dim)
        if config.item_input is not ItemInput.ID:
            self.content_adaptor = nn.Linear(embedding_dim, config.width)
        if config.item_input is not ItemInput.CONTENT:
            # The last row is zero and stays so: that of items without one of their own.
            self.item_ids = nn.Embedding(num_items + 1, config.width, padding_idx=num_items)
            spread = 0.02 if config.item_input is ItemInput.ID else 0.0
            nn.init.normal_(self.item_ids.weight[:num_items], std=spread)
            nn.init.zeros_(self.item_ids.weight[num_items:])
            self.register_buffer("id_rows", torch.arange(num_items))
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.transformer = Transformer(config)
        self.output_projection = nn.Linear(config.width, config.dim or embedding_dim)

    @property
    def serves_new_items(self) -> bool:
        """Whether it can rank items that it was not trained on."""
        return self.settings.item_input is not ItemInput.ID

    @property
    def max_history(self) -> int:
        """See `SequenceModel`."""
        return self.settings.max_history

    @property
    def temperature(self) -> float:
        """See `SequenceModel`."""
        return self.settings.temperature

    def read(self, histories: PackedSequences, embeddings: Tensor) -> Tensor:
        """`[num_tokens, dim]`: unit user vectors after each item."""
        tokens = self.input_dropout(self.adapt(histories.items, embeddings))
        return self.project(self.transformer(tokens, histories))

    def vectors_of(self, items: Tensor, embeddings: Tensor) -> Tensor:
        """`[num_items, dim]`: unit item vectors, each item alone through the shared weights."""
        if self.settings.item_tower is ItemTower.RAW:
            return F.normalize(self.standardise(embeddings[items]), dim=-1)
        return self.project(self.transformer.alone(self.adapt(items, embeddings)))

    def read_targets(self, targets: PackedSequences, embeddings: Tensor) -> Tensor:
        """`[num_tokens, dim]`: unit item vectors, in the sequence or alone (variants a, b, c)."""
        if self.settings.item_tower is ItemTower.SEQUENCE:
            tokens = self.adapt(targets.items, embeddings)
            return self.project(self.transformer(tokens, targets))
        return self.vectors_of(targets.items, embeddings)

    def adapt(self, items: Tensor, embeddings: Tensor) -> Tensor:
        """What the transformer reads of `items` `[num_tokens]`: `[num_tokens, width]`."""
        adapted = embeddings.new_zeros(len(items), self.settings.width)
        if self.settings.item_input is not ItemInput.ID:
            adapted = self.content_adaptor(self.standardise(embeddings[items]))
        if self.settings.item_input is not ItemInput.CONTENT:
            adapted = adapted + self.item_ids(self.id_rows[items])
        return adapted

    def know_ids_of(self, known: NDArray[np.bool_]) -> None:
        """Give ids to the items where `known` `[num_items]` is true, and to no other."""
        if hasattr(self, "item_ids"):
            none = self.item_ids.num_embeddings - 1
            self.id_rows = torch.where(torch.from_numpy(known), torch.arange(none), none)

    def for_items(self, trained_index: IntArray) -> Self:
        """See `RetrievalModel`."""
        model = copy.deepcopy(self)
        if hasattr(self, "item_ids"):
            none = torch.tensor([self.item_ids.num_embeddings - 1])
            model.id_rows = torch.cat([self.id_rows, none])[torch.from_numpy(trained_index)]
        return model

    def project(self, tokens: Tensor) -> Tensor:
        """Output projection: `[num_tokens, width]` to unit vectors `[num_tokens, dim]`."""
        return F.normalize(self.output_projection(tokens), dim=-1)

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, dim]`: each item alone through the shared weights (sequence length 1)."""
        items = torch.arange(len(embeddings), device=embeddings.device)
        blocks = torch.split(items, ITEMS_AT_ONCE)
        return torch.cat([self.vectors_of(block, embeddings) for block in blocks])

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, dim]`: the output at the last real position; zeros without a history."""
        return vectors_of_users(self, histories, embeddings)

    def config(self) -> dict[str, JsonValue]:
        """Settings, and what the sizes of tensors depend on."""
        num_items = self.item_ids.num_embeddings - 1 if hasattr(self, "item_ids") else 0
        sizes = {"embedding_dim": self.embedding_dim, "num_items": num_items}
        return {"settings": self.settings.model_dump(mode="json"), "kind": self.kind, **sizes}

    def tensors(self) -> dict[str, Tensor]:
        """Weights, and the mean and scale of the training catalogue."""
        return dict(self.state_dict())

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild, in evaluation mode."""
        settings = LearnConfig.model_validate(config["settings"])
        embedding_dim, num_items = config["embedding_dim"], config["num_items"]
        assert isinstance(embedding_dim, int), "written by config()"
        assert isinstance(num_items, int), "written by config()"
        model = cls(settings, embedding_dim, num_items)
        if "id_rows" in tensors:  # as many as the catalogue has items, whatever was trained on
            model.id_rows = tensors["id_rows"].clone()
        model.load_state_dict(tensors)
        return model.eval()
