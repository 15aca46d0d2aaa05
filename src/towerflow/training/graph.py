"""Training on the graph of users and items: LightGCN, SGL and SGCL."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from towerflow.errors import InputError
from towerflow.evaluation.protocol import Task
from towerflow.models.adjacency import Adjacency, Edges
from towerflow.models.connector import Ridge
from towerflow.models.graph_cf import GraphCF, GraphCFConfig
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.epochs import Training, run_epochs
from towerflow.training.graph_batches import EdgeSampler
from towerflow.training.graph_config import (
    GraphLoss,
    GraphTrainingConfig,
    SGCLLoss,
    SGLLoss,
)
from towerflow.training.graph_step import GraphStep
from towerflow.training.loop import validation_score

LARGEST_KEPT_BYTES: Final = 2**25 - 2**12  # with its header below the C library's 32 MB


class GraphTables(nn.Module):
    """All that is learnt: a row a node, users first."""

    def __init__(self, first: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(first)


class ModelOfTables:
    """Makes the model of tables, as often as training asks for it.

    Args:
        settings: of the model.
        edges: what is learnt from.
        embeddings: `[num_items, embedding_dim]`.
        has_text: `[num_items]`.
        fallbacks: see `GraphCF`.
    """

    def __init__(
        self,
        settings: GraphCFConfig,
        edges: Edges,
        embeddings: Tensor,
        has_text: NDArray[np.bool_],
        fallbacks: dict[str, int],
    ) -> None:
        self.settings, self.edges, self.embeddings = settings, edges, embeddings
        self.fallbacks = fallbacks
        self.is_warm = edges.item_degrees() > 0
        self.teaching = torch.from_numpy(self.is_warm & has_text)
        has_lesson = settings.connector and bool(self.teaching.any())
        self.ridge = Ridge.of(embeddings[self.teaching]) if has_lesson else None

    def __call__(self, table: Tensor, adjacency: Adjacency | None = None) -> GraphCF:
        """The model of `table` `[num_users + num_items, dim]`, with a connector if there is one.

        The `adjacency` of its edges is made anew if it is not given.
        """
        model = GraphCF.of_tables(self.settings, table, self.edges, self.fallbacks, adjacency)
        if self.ridge is None:
            return model
        vectors = model.item_vectors(self.embeddings)[self.teaching]
        return model.with_connector(self.ridge.fit(vectors), torch.from_numpy(self.is_warm))


def train_graph(
    build: ModelOfTables,
    config: GraphTrainingConfig,
    first: Tensor,
    validation: Task,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[Tensor, list[Epoch]]:
    """Train the tables, and return those of the best epoch with the curve.

    Args:
        build: knows the model and the graph.
        config: loss, optimiser and stopping rule.
        first: `[num_users + num_items, dim]` where the tables begin, on the device to train on;
            trained in place.
        validation: chooses the epoch; without users in it, the last epoch is kept.
        checkpoint: where to go on from, and what to keep after each epoch.
        on_epoch: told of each epoch as it ends.

    Raises:
        InputError: nobody can teach anything.
    """
    edges = build.edges
    _keep_freed_memory()
    objective = config.objective
    drawn = None if isinstance(objective, SGCLLoss) else objective.negatives
    sampler = EdgeSampler(edges, drawn)
    model = GraphTables(first)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    whole = Adjacency.of(edges, first.device)

    def run_epoch(number: int) -> float:
        # Seeded by epoch, so that a run that goes on draws what an uninterrupted one does.
        rng = np.random.default_rng([config.seed, number])
        views = _views(objective, edges, rng, first.device)
        step = GraphStep(objective, build.settings.num_layers, edges.num_users, whole, views)
        losses = []
        for batch in sampler.batches(config.batch_size, rng):
            loss = step.loss(model.table, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    @torch.inference_mode()
    def validate() -> float:
        return validation_score(build(model.table.detach(), whole), build.embeddings, validation)

    training = Training(model, optimiser, run_epoch, validate if len(validation.users) else None)
    curve = run_epochs(training, config, checkpoint, on_epoch)
    table = model.table.detach()
    if not torch.isfinite(table).all():
        raise InputError(
            "training", expected="finite rows", found="NaN or infinity", hint="lower learning_rate"
        )
    return table, curve


def _keep_freed_memory() -> None:
    """Let temporaries be reused from step to step, a fifth of the time of a small graph's.

    The C library gives free memory back to the system beyond twice the largest block of up to
    32 MB that it has seen freed; the system then has to clear it anew, page by page.
    """
    torch.empty(LARGEST_KEPT_BYTES, dtype=torch.uint8)


def _views(
    objective: GraphLoss, edges: Edges, rng: np.random.Generator, device: torch.device
) -> list[Adjacency]:
    """Two graphs that lack a share of the edges, drawn anew each epoch; none without SGL."""
    if not isinstance(objective, SGLLoss):
        return []
    num_kept = int(len(edges.users) * (1 - objective.drop_share))
    keeps = [_keep(len(edges.users), num_kept, rng) for _ in range(2)]
    return [Adjacency.of(edges.where(keep), device) for keep in keeps]


def _keep(num_edges: int, num_kept: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    keep = np.zeros(num_edges, dtype=bool)
    keep[rng.permutation(num_edges)[:num_kept]] = True
    return keep
