"""The loss of a batch of edges: LightGCN's, SGL's or SGCL's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from towerflow.interactions.histories import IntArray
from towerflow.models.adjacency import Adjacency
from towerflow.models.graph_losses import (
    bpr_loss,
    contrast_loss,
    length_penalty,
    supervised_contrast_loss,
)
from towerflow.training.graph_batches import EdgeBatch
from towerflow.training.graph_config import (
    Contrast,
    GraphLoss,
    LightGCNLoss,
    PairwiseLoss,
    SGCLLoss,
    SGLLoss,
)


@dataclass(frozen=True)
class GraphStep:
    """A loss over one graph.

    Attributes:
        objective: which loss.
        num_layers: times that rows are propagated.
        num_users: where the items' rows begin.
        whole: the graph.
        views: for SGL: two of it that lack some edges.
    """

    objective: GraphLoss
    num_layers: int
    num_users: int
    whole: Adjacency
    views: Sequence[Adjacency] = ()

    def loss(self, table: Tensor, batch: EdgeBatch) -> Tensor:
        """Loss of `batch` for rows `table` `[num_nodes, dim]`."""
        match self.objective:
            case LightGCNLoss() as objective:
                bpr, penalty = self._pairwise(objective, table, batch)
                return bpr / len(batch.users) + penalty
            case SGLLoss() as objective:
                bpr, penalty = self._pairwise(objective, table, batch)
                contrast = self._contrast(objective, table, batch)
                return bpr + penalty + objective.contrast_weight * contrast
            case SGCLLoss() as objective:
                nodes = _tensor(table, batch.users, batch.positives + self.num_users)
                final, _ = self.whole.rows(table, nodes, self.num_layers)
                users, items = final.chunk(2)
                return supervised_contrast_loss(users, items, objective.temperature)

    def _pairwise(
        self, objective: PairwiseLoss, table: Tensor, batch: EdgeBatch
    ) -> tuple[Tensor, Tensor]:
        """Sum of BPR, and the weighted penalty."""
        items = (batch.positives + self.num_users, batch.negatives + self.num_users)
        nodes = _tensor(table, batch.users, *items)
        final, own = self.whole.rows(table, nodes, self.num_layers)
        users, positives, negatives = final.chunk(3)
        penalty = length_penalty(own.view(3, len(batch.users), -1))
        return bpr_loss(users, positives, negatives), objective.penalty * penalty

    def _contrast(self, objective: SGLLoss, table: Tensor, batch: EdgeBatch) -> Tensor:
        """Users of the batch among users, and items among items, of the other view."""
        if objective.contrast is Contrast.BATCH:
            return self._contrast_in_batch(objective, table, batch)
        one, other = (view.mean_of_layers(table, self.num_layers) for view in self.views)
        kinds = (
            (_tensor(table, batch.users), other[: self.num_users]),
            (_tensor(table, batch.positives + self.num_users), other[self.num_users :]),
        )
        return torch.stack(
            [
                contrast_loss(
                    F.embedding(nodes, one), F.embedding(nodes, other), rows, objective.temperature
                )
                for nodes, rows in kinds
            ]
        ).sum()

    def _contrast_in_batch(self, objective: SGLLoss, table: Tensor, batch: EdgeBatch) -> Tensor:
        """Each node once: a second copy of it would be no negative."""
        users, items = np.unique(batch.users), np.unique(batch.positives)
        nodes = _tensor(table, users, items + self.num_users)
        views = [view.rows(table, nodes, self.num_layers)[0] for view in self.views]
        cuts = slice(len(users)), slice(len(users), None)
        return torch.stack(
            [
                contrast_loss(views[0][cut], views[1][cut], views[1][cut], objective.temperature)
                for cut in cuts
            ]
        ).sum()


def _tensor(like: Tensor, *nodes: IntArray) -> Tensor:
    return torch.from_numpy(np.concatenate(nodes)).to(like.device)
