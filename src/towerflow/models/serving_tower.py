"""The user tower of each kind of model, split for serving: rows read from a file, and a graph.

What a tower needs of an item is computed once and kept (`item_inputs`); what it does with a history
of such rows is a graph of tensors (`models/tower_graphs.py`), which needs no torch once exported.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from towerflow.models.blend import Blend
from towerflow.models.content_mean import ContentMean
from towerflow.models.graph_cf import UNKNOWN, GraphCF
from towerflow.models.item_to_item import ItemToItem
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.reads import Reads
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import NEW_ITEM, SASRec
from towerflow.models.tower_graphs import (
    BlendGraph,
    MeanGraph,
    NeighbourGraph,
    OneGraph,
    SequenceGraph,
    TakenGraph,
    Unit,
)


@dataclass(frozen=True)
class ServingTower:
    """A user tower without the catalogue.

    Attributes:
        graph: in evaluation mode; from `item_inputs` `[batch, length, width]`, `lengths` `[batch]`
            and, if there are `user_inputs`, those `[batch, dim + 1]`, to `[batch, dim]`.
        item_inputs: from indices of items `[n]` and the embeddings of all `[num_items,
            embedding_dim]` to their rows `[n, width]`.
        reads: what counts; several of a blend.
        user_inputs: `[num_users, dim + 1]` own row and a flag, 0 for users without one; None if
            users are what they took.
    """

    graph: nn.Module
    item_inputs: Callable[[Tensor, Tensor], Tensor]
    reads: tuple[Reads, ...]
    user_inputs: Tensor | None = None


def serving_tower(model: RetrievalModel) -> ServingTower:
    """The user tower of `model`, whose weights it shares."""
    match model:
        case Learn():
            tower = _learn(model)
        case SASRec():
            tower = _sasrec(model)
        case GraphCF():
            tower = _graph_cf(model)
        case ItemToItem():
            tower = _item_to_item(model)
        case ContentMean():
            tower = _content_mean(model)
        case Popularity():
            tower = _popularity()
        case Blend():
            tower = _blend(model)
        case _:
            raise AssertionError(f"no serving tower for {model.kind}")
    tower.graph.eval()
    return tower


def _learn(model: Learn) -> ServingTower:
    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        return _all_read(model.adapt(items, embeddings))

    after = nn.Sequential(model.output_projection, Unit())
    graph = SequenceGraph(nn.Identity(), model.transformer, after, model.max_history)
    return ServingTower(graph, item_inputs, (Reads(model.settings.width, model.max_history),))


def _sasrec(model: SASRec) -> ServingTower:
    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        is_read = model.item_rows[items] != NEW_ITEM
        return _flagged(model.vectors_of(items, embeddings), is_read)

    graph = SequenceGraph(model.input_norm, model.transformer, nn.Identity(), model.max_history)
    return ServingTower(graph, item_inputs, (Reads(model.settings.width, model.max_history),))


def _graph_cf(model: GraphCF) -> ServingTower:
    tensors = model.tensors()
    dim = tensors["item_table"].shape[1]

    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        rows = tensors["item_rows"][items]
        known = rows.clamp(min=0)
        parts = [tensors["item_table"][known], tensors["item_messages"][known]]
        index = items.unsqueeze(1).to(parts[0].dtype)
        return _flagged(torch.cat([*parts, index], dim=1), rows != UNKNOWN)

    users = tensors["user_rows"]
    user_inputs = _flagged(tensors["user_table"][users.clamp(min=0)], users != UNKNOWN)
    # A copy: of a tensor that is part of a larger one, a program would keep the larger one.
    graph = NeighbourGraph(model.settings.num_layers, tensors["mean_user"].clone())
    return ServingTower(graph, item_inputs, (Reads(2 * dim + 1, None),), user_inputs)


def _item_to_item(model: ItemToItem) -> ServingTower:
    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        return _all_read(items.unsqueeze(1).to(embeddings.dtype))

    return ServingTower(TakenGraph(len(model.weights)), item_inputs, (Reads(1, None),))


def _content_mean(model: ContentMean) -> ServingTower:
    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        return _all_read(model.item_vectors(embeddings[items]))

    dim = len(model.standardise.mean)
    return ServingTower(MeanGraph(), item_inputs, (Reads(dim, None),))


def _popularity() -> ServingTower:
    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        return embeddings.new_zeros(len(items), 1)  # a flag alone: no item is read

    return ServingTower(OneGraph(), item_inputs, (Reads(0, None),))


def _blend(model: Blend) -> ServingTower:
    towers = [serving_tower(member) for member in model.members]
    widths = [tower.reads[0].flag + 1 for tower in towers]

    def item_inputs(items: Tensor, embeddings: Tensor) -> Tensor:
        return torch.cat([tower.item_inputs(items, embeddings) for tower in towers], dim=1)

    factors = [factor for _, factor in model.factors()]
    reads = tuple(
        Reads(sum(widths[:number]) + tower.reads[0].flag, tower.reads[0].max_history)
        for number, tower in enumerate(towers)
    )
    graph = BlendGraph([tower.graph for tower in towers], widths, factors)
    return ServingTower(graph, item_inputs, reads)


def _all_read(rows: Tensor) -> Tensor:
    return _flagged(rows, torch.ones(len(rows), dtype=torch.bool, device=rows.device))


def _flagged(rows: Tensor, is_read: Tensor) -> Tensor:
    """`[n, width + 1]`: `rows` `[n, width]` and the flag, zeros where nothing is read."""
    flags = is_read.unsqueeze(1)
    return torch.cat([torch.where(flags, rows, 0.0), flags.to(rows.dtype)], dim=1)
