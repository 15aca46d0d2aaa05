"""Graphs at the edge of what can be learnt from: a sentence, or nothing lost."""

import numpy as np
import pytest
import torch

from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.graph_cf import GraphCF, GraphCFConfig
from towerflow.models.graph_losses import contrast_loss
from towerflow.training.graph_batches import EdgeSampler
from towerflow.training.graph_config import Negatives


def edges(lists: list[list[int]], num_items: int) -> Edges:
    return Edges.of(ItemLists.from_lists(lists), num_items)


def test_one_item_has_no_others_to_draw() -> None:
    with pytest.raises(InputError, match="the catalogue: expected at least two items, found one"):
        EdgeSampler(edges([[0], [0]], 1), Negatives.OTHERS)


@pytest.mark.parametrize("lists", [[[0, 1], [1, 0]], [[], []]])
def test_nobody_can_teach_who_took_everything_or_nothing(lists: list[list[int]]) -> None:
    with pytest.raises(InputError, match="users who have not taken everything, found none"):
        EdgeSampler(edges(lists, 2), Negatives.UNTAKEN)


def test_what_needs_no_negatives_learns_from_those_who_took_everything() -> None:
    sampler = EdgeSampler(edges([[0], [0]], 1), None)
    (batch,) = sampler.batches(8, np.random.default_rng(0))
    assert sorted(batch.users.tolist()) == [0, 1]


def test_a_contrast_far_below_its_bound_does_not_underflow() -> None:
    """No cosine of the row is near 1: log(e^-100 + e^-45) = -45 to the last digit, + 100."""
    views, positives = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    others = torch.tensor([[-1.0, 0.0], [-0.45, (1 - 0.45**2) ** 0.5]])
    views.requires_grad_()
    loss = contrast_loss(views, positives, others, temperature=0.01)
    loss.backward()
    assert loss.item() == pytest.approx(55.0, abs=1e-3)
    assert views.grad is not None
    assert torch.isfinite(views.grad).all()


def test_what_was_taken_twice_counts_once_as_in_training() -> None:
    log = ItemLists(np.array([0, 1, 0, 1, 2]), np.array([0, 3, 5]), np.arange(2))
    graph, table = Edges.of(log, 3), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    once = ItemLists(np.array([0, 1, 1, 2]), np.array([0, 2, 4]), np.arange(2))
    model = GraphCF.of_tables(GraphCFConfig(dim=4), table, graph)
    found = model.user_vectors(log, torch.zeros(3, 1))
    torch.testing.assert_close(found, model.user_vectors(once, torch.zeros(3, 1)))
