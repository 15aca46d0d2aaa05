"""SASRec: the baseline that knows items by their id alone.

Source: SASRec (arXiv 1808.09781), with the softmax over the catalogue that makes it strong. The
transformer is LEARN's own (post-norm, GELU), as in RecBole's SASRec, so that the two differ in
what they read of an item and in nothing else.
"""

import copy
from typing import ClassVar, Final, Literal, Self

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.packed import PackedSequences
from towerflow.models.sequence_model import vectors_of_users
from towerflow.models.transformer import NORM_EPSILON, Positions, Transformer, TransformerConfig

NEW_ITEM: Final = -1


class SASRecConfig(TransformerConfig):
    """Size of the transformer; vectors are as long as it is wide."""

    kind: Literal["sasrec"] = "sasrec"
    positions: Positions = Positions.LEARNED


class SASRec(nn.Module):
    """Item vector = a row of a table, user vector = what the transformer makes of the history."""

    kind: ClassVar[str] = "sasrec"
    serves_new_items: ClassVar[bool] = False
    temperature: ClassVar[float] = 1.0
    item_rows: Tensor  # [num_items of the catalogue] row of each item, NEW_ITEM if it has none

    def __init__(self, config: SASRecConfig, num_items: int) -> None:
        super().__init__()
        self.settings = config
        self.item_table = nn.Embedding(num_items, config.width)
        nn.init.normal_(self.item_table.weight, std=0.02)
        self.register_buffer("item_rows", torch.arange(num_items))
        self.input_norm = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = Transformer(config)

    @property
    def max_history(self) -> int:
        """See `SequenceModel`."""
        return self.settings.max_history

    def read(self, histories: PackedSequences, embeddings: Tensor) -> Tensor:
        """`[num_tokens, width]`: the user vector after each item."""
        tokens = self.dropout(self.input_norm(self.vectors_of(histories.items, embeddings)))
        output: Tensor = self.transformer(tokens, histories)
        return output

    def vectors_of(self, items: Tensor, embeddings: Tensor) -> Tensor:
        """`[num_items, width]`: rows of the table."""
        # Histories come without new items, which have no row.
        vectors: Tensor = self.item_table(self.item_rows[items].clamp(min=0))
        return vectors

    def read_targets(self, targets: PackedSequences, embeddings: Tensor) -> Tensor:
        """`[num_tokens, width]`: rows of the table."""
        return self.vectors_of(targets.items, embeddings)

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, width]`; items that came after training score as the average item does."""
        table = self.item_table.weight.detach()
        with_mean = torch.cat([table, table.mean(dim=0, keepdim=True)])
        return with_mean[self.item_rows]  # NEW_ITEM is the last of them

    def for_items(self, trained_index: IntArray) -> Self:
        """See `RetrievalModel`."""
        model = copy.deepcopy(self)
        none = torch.tensor([NEW_ITEM])
        model.item_rows = torch.cat([self.item_rows, none])[torch.from_numpy(trained_index)]
        return model

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, width]`; items that came after training are passed over."""
        known = (self.item_rows != NEW_ITEM).cpu().numpy()
        return vectors_of_users(self, histories.where(known[histories.items]), embeddings)

    def config(self) -> dict[str, JsonValue]:
        """Settings and the size of the table."""
        settings = self.settings.model_dump(mode="json")
        return {
            "settings": settings,
            "kind": self.kind,
            "num_items": self.item_table.num_embeddings,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Weights."""
        return dict(self.state_dict())

    @classmethod
    def restore(cls, config: dict[str, JsonValue], tensors: dict[str, Tensor]) -> Self:
        """Rebuild, in evaluation mode."""
        num_items = config["num_items"]
        assert isinstance(num_items, int), "written by config()"
        model = cls(SASRecConfig.model_validate(config["settings"]), num_items)
        model.item_rows = tensors["item_rows"].clone()  # as many as the catalogue has items
        model.load_state_dict(tensors)
        return model.eval()
