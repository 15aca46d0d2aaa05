"""The graph and its propagation against dense matrices, values and gradients."""

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.models import plain_graph
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Adjacency, Edges

NUM_ITEMS = 5
DIM = 3
# Some users take nothing, some items nobody takes, some things are taken twice.
graphs = st.lists(
    st.lists(st.integers(0, NUM_ITEMS - 1), max_size=6), min_size=1, max_size=6
).filter(any)
num_layers_of = st.integers(0, 3)


def edges_of(rows: list[list[int]]) -> Edges:
    return Edges.of(ItemLists.from_lists(rows), NUM_ITEMS)


def table_for(rows: list[list[int]], seed: int = 0) -> Tensor:
    """`[num_nodes, DIM]`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(rows) + NUM_ITEMS, DIM, generator=generator)


def dense(rows: list[list[int]]) -> Tensor:
    """The same matrix with all its zeros."""
    return torch.from_numpy(plain_graph.adjacency(rows, NUM_ITEMS))


def dense_mean(rows: list[list[int]], table: Tensor, num_layers: int) -> Tensor:
    """Mean of layers by dense products that torch can differentiate."""
    layers = [table]
    for _ in range(num_layers):
        layers.append(dense(rows) @ layers[-1])
    return torch.stack(layers).mean(dim=0)


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found.double(), expected.double(), atol=1e-5, rtol=1e-5)


def gradient_of(table: Tensor) -> Tensor:
    assert table.grad is not None
    return table.grad


def test_edges_by_hand() -> None:
    """User 0 took item 2 twice; user 1 nothing; nobody took items 1, 3 and 4."""
    edges = edges_of([[2, 0, 2], [], [0]])
    assert edges.users.tolist() == [0, 0, 2]
    assert edges.items.tolist() == [0, 2, 0]
    assert edges.by_item.tolist() == [0, 2, 1]
    assert edges.user_degrees().tolist() == [2, 0, 1]
    assert edges.item_degrees().tolist() == [2, 0, 1, 0, 0]
    assert edges.num_nodes == 3 + NUM_ITEMS


@given(graphs)
def test_edges_are_the_pairs_once_each_in_both_orders(rows: list[list[int]]) -> None:
    edges = edges_of(rows)
    pairs = list(zip(edges.users.tolist(), edges.items.tolist(), strict=True))
    assert pairs == sorted({(user, item) for user, row in enumerate(rows) for item in row})
    by_item = [(pairs[place][1], pairs[place][0]) for place in edges.by_item]
    assert by_item == sorted((item, user) for user, item in pairs)


@given(graphs, st.data())
def test_some_of_the_edges_are_the_graph_of_shorter_histories(
    rows: list[list[int]], data: st.DataObject
) -> None:
    edges = edges_of(rows)
    size = len(edges.users)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
    shorter: list[list[int]] = [[] for _ in rows]
    for user, item in zip(edges.users[keep], edges.items[keep], strict=True):
        shorter[user].append(int(item))
    kept, expected = edges.where(keep), edges_of(shorter)
    assert kept.num_users == expected.num_users == len(rows)
    assert kept.num_items == expected.num_items == NUM_ITEMS
    for name in ("users", "items", "by_item"):
        assert getattr(kept, name).tolist() == getattr(expected, name).tolist(), name


def test_the_matrix_by_hand() -> None:
    """User 0 took items 0 and 1, user 1 took item 1: degrees 2 and 1, and 1 and 2."""
    adjacency = Adjacency.of(Edges.of(ItemLists.from_lists([[0, 1], [1]]), 2))
    far, shared, near = 1 / sqrt(2 * 1), 1 / sqrt(2 * 2), 1 / sqrt(1 * 2)
    expected = [[0, 0, far, shared], [0, 0, 0, near], [far, 0, 0, 0], [shared, near, 0, 0]]
    torch.testing.assert_close(adjacency.propagate(torch.eye(4)), torch.tensor(expected))


@given(graphs)
def test_the_matrix_is_the_dense_one_and_so_symmetric(rows: list[list[int]]) -> None:
    found = Adjacency.of(edges_of(rows)).propagate(torch.eye(len(rows) + NUM_ITEMS))
    assert close(found, dense(rows))
    assert torch.equal(found, found.T)


def test_what_was_taken_twice_is_one_edge() -> None:
    rows = [[0, 1, 0, 0], [1]]
    once = Adjacency.of(edges_of([[0, 1], [1]]))
    table = table_for(rows)
    assert torch.equal(Adjacency.of(edges_of(rows)).propagate(table), once.propagate(table))


@given(graphs, st.floats(-2, 2))
def test_a_factor_multiplies_what_is_propagated(rows: list[list[int]], factor: float) -> None:
    found = Adjacency.of(edges_of(rows)).propagate(table_for(rows), factor)
    assert close(found, factor * dense(rows) @ table_for(rows).double())


@given(graphs, num_layers_of)
def test_layers_are_powers_of_the_matrix_times_the_table(
    rows: list[list[int]], num_layers: int
) -> None:
    table, adjacency = table_for(rows), Adjacency.of(edges_of(rows))
    found = [table]
    for _ in range(num_layers):
        found.append(adjacency.propagate(found[-1]))
    expected = plain_graph.layers(dense(rows).numpy(), table.double().numpy(), num_layers)
    for layer, of_numpy in zip(found, expected, strict=True):
        np.testing.assert_allclose(layer.numpy(), of_numpy, atol=1e-5)


@given(graphs, num_layers_of)
def test_the_mean_of_layers_and_its_gradient_are_those_of_dense_products(
    rows: list[list[int]], num_layers: int
) -> None:
    table, plain = table_for(rows).requires_grad_(), table_for(rows).double().requires_grad_()
    upstream = table_for(rows, seed=1)
    found = Adjacency.of(edges_of(rows)).mean_of_layers(table, num_layers)
    in_numpy = plain_graph.final(dense(rows).numpy(), plain.detach().numpy(), num_layers)
    np.testing.assert_allclose(found.detach().numpy(), in_numpy, atol=1e-5)
    (found * upstream).sum().backward()
    (dense_mean(rows, plain, num_layers) * upstream).sum().backward()
    assert close(gradient_of(table), gradient_of(plain))


@given(graphs, num_layers_of, st.data())
def test_rows_and_their_gradients_are_those_of_indexing(
    rows: list[list[int]], num_layers: int, data: st.DataObject
) -> None:
    """Nodes may be asked for twice; both results reach the table."""
    drawn = st.lists(st.integers(0, len(rows) + NUM_ITEMS - 1), min_size=1, max_size=8)
    nodes = torch.tensor(data.draw(drawn))
    table, plain = table_for(rows).requires_grad_(), table_for(rows).double().requires_grad_()
    upstream = torch.randn(2, len(nodes), DIM, generator=torch.Generator().manual_seed(1))
    final, own = Adjacency.of(edges_of(rows)).rows(table, nodes, num_layers)
    expected = dense_mean(rows, plain, num_layers)[nodes], plain[nodes]
    assert close(final, expected[0])
    assert close(own, expected[1])
    (final * upstream[0] + own * upstream[1]).sum().backward()
    (expected[0] * upstream[0] + expected[1] * upstream[1]).sum().backward()
    assert close(gradient_of(table), gradient_of(plain))


@pytest.mark.parametrize("used", [0, 1])
@pytest.mark.parametrize("num_layers", [0, 2])
def test_one_of_the_two_results_alone_has_its_own_gradient(used: int, num_layers: int) -> None:
    rows = [[0, 1], [1, 2], []]
    nodes = torch.tensor([0, 4, 4])
    table, plain = table_for(rows).requires_grad_(), table_for(rows).double().requires_grad_()
    Adjacency.of(edges_of(rows)).rows(table, nodes, num_layers)[used].square().sum().backward()
    expected = (dense_mean(rows, plain, num_layers)[nodes], plain[nodes])[used]
    expected.square().sum().backward()
    assert close(gradient_of(table), gradient_of(plain))


@pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
def test_the_isolated_keep_a_share_of_their_own_row(num_layers: int) -> None:
    rows = [[0, 1], [], [1]]
    table = table_for(rows)
    found = Adjacency.of(edges_of(rows)).mean_of_layers(table, num_layers)
    isolated = [1, 3 + 2, 3 + 3, 3 + 4]  # user 1, items 2 to 4
    torch.testing.assert_close(found[isolated], table[isolated] / (num_layers + 1))


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_without_an_edge_everybody_is_isolated(num_layers: int) -> None:
    edges = edges_of([[0, 1], [2]])
    nothing = Adjacency.of(edges.where(np.zeros(3, dtype=bool)))
    table = table_for([[], []])
    found = nothing.mean_of_layers(table, num_layers)
    torch.testing.assert_close(found, table / (num_layers + 1))


@pytest.mark.parametrize("num_layers", [0, 1, 2])
def test_the_table_stays_as_it_is_and_is_not_given_back(num_layers: int) -> None:
    rows = [[0, 1], [2]]
    table = table_for(rows).requires_grad_()
    adjacency, nodes = Adjacency.of(edges_of(rows)), torch.arange(7)
    results = [adjacency.mean_of_layers(table, num_layers)]
    results += adjacency.rows(table, nodes, num_layers)
    for found in results:
        found.detach().zero_()
    assert torch.equal(table.detach(), table_for(rows))
    assert not adjacency.propagate(table).requires_grad
