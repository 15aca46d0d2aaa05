"""Whole losses of a batch against plain NumPy, and their slopes against differences of it."""

import numpy as np
import pytest
import torch

from tests.unit.models import plain_graph
from tests.unit.models.graphs import EDGES, NUM_ITEMS, NUM_USERS, TABLE, TAKEN
from tests.unit.models.plain_graph import Floats
from towerflow.models.adjacency import Adjacency
from towerflow.training.graph_batches import EdgeBatch
from towerflow.training.graph_config import (
    Contrast,
    GraphLoss,
    LightGCNLoss,
    SGCLLoss,
    SGLLoss,
)
from towerflow.training.graph_step import GraphStep

# Users 0 and 4 come twice, and so do items 2 and 3.
BATCH = EdgeBatch(np.array([0, 4, 1, 0, 4]), np.array([2, 3, 2, 0, 3]), np.array([3, 0, 5, 4, 2]))
PAIRS = [(user, item) for user, row in enumerate(TAKEN) for item in sorted(row)]
DROPPED = [[(0, 1), (3, 0)], [(4, 3)]]  # of each view
STRONG = 0.3  # a penalty and a contrast that can be seen
LOSSES: dict[str, GraphLoss] = {
    "lightgcn": LightGCNLoss(penalty=STRONG),
    "lightgcn without penalty": LightGCNLoss(penalty=0),
    "sgl": SGLLoss(penalty=STRONG, contrast_weight=STRONG),
    "sgl at another temperature": SGLLoss(temperature=0.5, contrast_weight=2),
    "sgl in the batch": SGLLoss(contrast_weight=STRONG, contrast=Contrast.BATCH),
    "sgcl": SGCLLoss(),
    "sgcl at another temperature": SGCLLoss(temperature=0.7),
}


def step_of(objective: GraphLoss, num_layers: int) -> GraphStep:
    views = []
    for dropped in DROPPED if isinstance(objective, SGLLoss) else []:
        keep = np.array([pair not in dropped for pair in PAIRS])
        views.append(Adjacency.of(EDGES.where(keep)))
    return GraphStep(objective, num_layers, NUM_USERS, Adjacency.of(EDGES), views)


def final_of(table: Floats, num_layers: int, dropped: list[tuple[int, int]]) -> Floats:
    """Of the graph without some edges."""
    rows = [[item for item in row if (user, item) not in dropped] for user, row in enumerate(TAKEN)]
    return plain_graph.final(plain_graph.adjacency(rows, NUM_ITEMS), table, num_layers)


def pairwise(table: Floats, num_layers: int) -> tuple[float, float]:
    """BPR's sum, and the penalty without its weight."""
    final = final_of(table, num_layers, [])
    nodes = [BATCH.users, NUM_USERS + BATCH.positives, NUM_USERS + BATCH.negatives]
    of_final, own = ([matrix[of_kind] for of_kind in nodes] for matrix in (final, table))
    return plain_graph.bpr(*of_final), plain_graph.penalty(own)


def contrasts(objective: SGLLoss, table: Floats, num_layers: int) -> float:
    """Users among users and items among items."""
    one, other = (final_of(table, num_layers, dropped) for dropped in DROPPED)
    total = 0.0
    for nodes, everybody in (
        (BATCH.users, np.arange(NUM_USERS)),
        (NUM_USERS + BATCH.positives, NUM_USERS + np.arange(NUM_ITEMS)),
    ):
        if objective.contrast is Contrast.BATCH:
            nodes = everybody = np.array(sorted(set(nodes.tolist())))
        total += plain_graph.contrast(
            one[nodes], other[nodes], other[everybody], objective.temperature
        )
    return total


def expected_loss(objective: GraphLoss, table: Floats, num_layers: int) -> float:
    match objective:
        case LightGCNLoss():
            bpr, penalty = pairwise(table, num_layers)
            return bpr / len(BATCH.users) + objective.penalty * penalty
        case SGLLoss():
            bpr, penalty = pairwise(table, num_layers)
            contrast = contrasts(objective, table, num_layers)
            return bpr + objective.penalty * penalty + objective.contrast_weight * contrast
        case SGCLLoss():
            final = final_of(table, num_layers, [])
            users, items = final[BATCH.users], final[NUM_USERS + BATCH.positives]
            return plain_graph.supervised(users, items, objective.temperature)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
def test_the_loss_is_that_of_plain_numpy(name: str, num_layers: int) -> None:
    expected = expected_loss(LOSSES[name], TABLE.double().numpy(), num_layers)
    found = step_of(LOSSES[name], num_layers).loss(TABLE, BATCH).item()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_layers", [0, 2])
def test_the_slope_in_any_direction_is_that_of_plain_numpy(name: str, num_layers: int) -> None:
    table = TABLE.clone().requires_grad_()
    step_of(LOSSES[name], num_layers).loss(table, BATCH).backward()
    assert table.grad is not None
    plain, size = TABLE.double().numpy(), 1e-5
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(plain.shape)
        up, down = (
            expected_loss(LOSSES[name], plain + sign * size * direction, num_layers)
            for sign in (1, -1)
        )
        slope = float((table.grad.double().numpy() * direction).sum())
        assert slope == pytest.approx((up - down) / (2 * size), rel=1e-3, abs=1e-4)


def test_negatives_are_nothing_to_sgcl() -> None:
    step = step_of(SGCLLoss(), 2)
    other = EdgeBatch(BATCH.users, BATCH.positives, np.array([5, 5, 5, 5, 5]))
    assert step.loss(TABLE, other).item() == step.loss(TABLE, BATCH).item()


def test_lightgcn_does_not_grow_with_the_batch_and_sgl_does() -> None:
    parts = (BATCH.users, BATCH.positives, BATCH.negatives)
    twice = EdgeBatch(*(np.tile(part, 2) for part in parts))
    lightgcn, sgl = (step_of(kind, 2) for kind in (LightGCNLoss(penalty=0), SGLLoss(penalty=0)))
    assert lightgcn.loss(TABLE, twice).item() == pytest.approx(lightgcn.loss(TABLE, BATCH).item())
    assert sgl.loss(TABLE, twice).item() == pytest.approx(2 * sgl.loss(TABLE, BATCH).item())


def test_the_views_of_sgl_are_told_apart_from_the_graph() -> None:
    """Else the expectations above would say nothing about them."""
    whole = Adjacency.of(EDGES)
    objective = SGLLoss(contrast_weight=1)
    same = GraphStep(objective, 2, NUM_USERS, whole, [whole, whole]).loss(TABLE, BATCH)
    step = step_of(objective, 2)
    swapped = GraphStep(objective, 2, NUM_USERS, whole, step.views[::-1]).loss(TABLE, BATCH)
    values = sorted(loss.item() for loss in (step.loss(TABLE, BATCH), same, swapped))
    assert values[1] - values[0] > 1e-2
    assert values[2] - values[1] > 1e-2


def test_all_rows_of_a_kind_are_what_sgl_tells_a_node_from_or_those_of_the_batch() -> None:
    """Fewer to be taken for cost less."""
    everybody = step_of(SGLLoss(), 2).loss(TABLE, BATCH).item()
    in_batch = step_of(SGLLoss(contrast=Contrast.BATCH), 2).loss(TABLE, BATCH).item()
    assert in_batch < everybody


@pytest.mark.parametrize("name", LOSSES)
def test_the_table_stays_as_it_is(name: str) -> None:
    table = TABLE.clone()
    step_of(LOSSES[name], 2).loss(table, BATCH)
    assert torch.equal(table, TABLE)
