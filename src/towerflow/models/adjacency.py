"""The graph of users and items, and LightGCN's propagation over it.

A product with the normalised adjacency is a weighted sum of rows, which torch's `embedding_bag`
does 20 to 60 times faster on a CPU than its sparse matrices do (docs/adr/0023).
"""

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from numpy.typing import NDArray
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists


@dataclass(frozen=True)
class Edges:
    """Who took what in training, each pair once.

    Attributes:
        users, items: `[num_edges]`, ordered by user, then item.
        by_item: `[num_edges]` order that sorts them by item, then user.
        num_users, num_items: nodes of each kind.
    """

    users: IntArray
    items: IntArray
    by_item: IntArray
    num_users: int
    num_items: int

    @classmethod
    def of(cls, histories: ItemLists, num_items: int) -> Self:
        """The graph of `histories`; what was taken twice is one edge."""
        pairs = np.unique(histories.rows() * num_items + histories.items)
        users, items = np.divmod(pairs, num_items)
        by_item = np.argsort(items, kind="stable")
        return cls(users, items, by_item, len(histories), num_items)

    @property
    def num_nodes(self) -> int:
        """Users and items together."""
        return self.num_users + self.num_items

    def item_degrees(self) -> IntArray:
        """`[num_items]` number of users of each item."""
        return np.bincount(self.items, minlength=self.num_items)

    def user_degrees(self) -> IntArray:
        """`[num_users]` number of items of each user."""
        return np.bincount(self.users, minlength=self.num_users)

    def where(self, keep: NDArray[np.bool_]) -> Self:
        """The same nodes with the edges where `keep` `[num_edges]` is true."""
        place = np.cumsum(keep) - 1
        kept_by_item = self.by_item[keep[self.by_item]]
        return type(self)(
            self.users[keep], self.items[keep], place[kept_by_item], self.num_users, self.num_items
        )


@dataclass(frozen=True)
class Adjacency:
    """`Ã = D^-½ A D^-½`, users first, then items, stored row after row.

    Source: LightGCN (arXiv 2002.02126), equation 8.

    Attributes:
        columns: `[num_entries]` node of each entry.
        offsets: `[num_nodes + 1]` where each row begins.
        weights: `[num_entries]` `1 / √(d_user d_item)`.
    """

    columns: Tensor
    offsets: Tensor
    weights: Tensor

    @classmethod
    def of(cls, edges: Edges, device: torch.device | None = None) -> Self:
        """Of all `edges`."""
        users, items = edges.users, edges.items
        by_item = edges.by_item
        user_degrees, item_degrees = edges.user_degrees(), edges.item_degrees()
        weight = 1 / np.sqrt(user_degrees[users] * item_degrees[items].astype(np.float64))
        columns = np.concatenate([items + edges.num_users, users[by_item]])
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([user_degrees, item_degrees]))])
        # 32 bits are read faster, and reach for a billion interactions.
        short = len(columns) < np.iinfo(np.int32).max
        kind = torch.int32 if short else torch.int64
        return cls(
            torch.from_numpy(columns).to(device, kind),
            torch.from_numpy(offsets).to(device, kind),
            torch.from_numpy(np.concatenate([weight, weight[by_item]])).to(device, torch.float32),
        )

    def propagate(self, table: Tensor, factor: float = 1.0) -> Tensor:
        """`factor · Ã table`, `[num_nodes, dim]`, without a gradient."""
        weights = self.weights if factor == 1 else self.weights * factor
        return self._bags(self.columns, table.detach(), weights)

    def propagate_rows(self, nodes: Tensor, rows: Tensor) -> Tensor:
        """`Ã table` of a table that is zero but for `rows` `[num_chosen, dim]` added at `nodes`.

        What is read is as small as the batch, and stays in the cache.
        """
        places = torch.arange(len(nodes), dtype=self.columns.dtype, device=nodes.device)
        slots = torch.full_like(self.offsets[:-1], len(nodes))  # the last slot stays zero
        slots[nodes] = places
        small = rows.new_zeros(len(nodes) + 1, rows.shape[1])
        small.index_add_(0, slots[nodes], rows)
        return self._bags(slots.index_select(0, self.columns), small, self.weights)

    def _bags(self, columns: Tensor, table: Tensor, weights: Tensor) -> Tensor:
        return F.embedding_bag(
            columns,
            table,
            self.offsets,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )

    def mean_of_layers(self, table: Tensor, num_layers: int) -> Tensor:
        """LightGCN's final vectors `[num_nodes, dim]`: the mean of layers 0 … num_layers.

        Source: LightGCN, equations 5 and 6 with α_k = 1 / (K + 1).
        """
        return cast(Tensor, _MeanOfLayers.apply(table, self, num_layers))  # type: ignore[no-untyped-call]

    def rows(self, table: Tensor, nodes: Tensor, num_layers: int) -> tuple[Tensor, Tensor]:
        """Final vectors of some `nodes`, and their rows of `table`, both `[num_chosen, dim]`.

        As indexing both would give; the gradient is collected in one matrix in place of four.
        """
        found = _Rows.apply(table, nodes, self, num_layers)  # type: ignore[no-untyped-call]
        return cast(tuple[Tensor, Tensor], found)


class _MeanOfLayers(torch.autograd.Function):
    """Linear in the table by a symmetric matrix: the gradient takes the same way as the table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, adjacency: Adjacency, num_layers: int) -> Tensor:
        ctx.adjacency, ctx.num_layers = adjacency, num_layers
        return _mean(adjacency, table, num_layers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _mean(ctx.adjacency, gradients[0], ctx.num_layers), None, None


class _Rows(torch.autograd.Function):
    """Some rows of the mean of layers and of the table itself."""

    @staticmethod
    def forward(
        ctx: Any, table: Tensor, nodes: Tensor, adjacency: Adjacency, num_layers: int
    ) -> tuple[Tensor, Tensor]:
        ctx.adjacency, ctx.num_layers, ctx.num_nodes = adjacency, num_layers, len(table)
        ctx.save_for_backward(nodes)
        own = table.index_select(0, nodes)
        if num_layers == 0:
            return own.clone(), own
        received = adjacency.propagate(_inner(adjacency, table, num_layers))
        return (received.index_select(0, nodes) + own) / (num_layers + 1), own

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (nodes,) = ctx.saved_tensors
        of_table = gradients[1]
        of_final = gradients[0] / (ctx.num_layers + 1)
        if ctx.num_layers == 0:
            gradient = of_final.new_zeros(ctx.num_nodes, of_final.shape[1])
        else:
            gradient = ctx.adjacency.propagate_rows(nodes, of_final)
        for _ in range(ctx.num_layers - 1):
            gradient = ctx.adjacency.propagate(gradient.index_add_(0, nodes, of_final))
        return gradient.index_add_(0, nodes, of_final + of_table), None, None, None


def _mean(adjacency: Adjacency, table: Tensor, num_layers: int) -> Tensor:
    if num_layers == 0:
        return table.detach().clone()
    share = 1 / (num_layers + 1)
    inner = _inner(adjacency, table, num_layers)
    return adjacency.propagate(inner, share).add_(table.detach(), alpha=share)


def _inner(adjacency: Adjacency, table: Tensor, num_layers: int) -> Tensor:
    """`T + Ã(T + Ã(…))` with num_layers - 1 products, by Horner's rule."""
    inner = table.detach()
    for _ in range(num_layers - 1):
        inner = adjacency.propagate(inner).add_(table.detach())
    return inner
