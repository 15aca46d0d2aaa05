"""One pass sees every edge once; what is drawn beside it is what the user may not have taken."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.training.graph_batches import EdgeBatch, EdgeSampler
from towerflow.training.graph_config import Negatives

NUM_ITEMS = 5
# Nobody, or somebody, has taken everything; some things are taken twice.
logs = st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), max_size=9), min_size=1, max_size=6).filter(
    any
)
both = pytest.mark.parametrize("negatives", list(Negatives))


def batches(
    rows: list[list[int]], negatives: Negatives, size: int = 3, seed: int = 0
) -> list[EdgeBatch]:
    """Of one pass."""
    edges = Edges.of(ItemLists.from_lists(rows), NUM_ITEMS)
    sampler = EdgeSampler(edges, negatives)
    return list(sampler.batches(size, np.random.default_rng(seed)))


def triples(found: list[EdgeBatch]) -> list[tuple[int, int, int]]:
    """User, positive, negative."""
    parts = [
        zip(one.users.tolist(), one.positives.tolist(), one.negatives.tolist(), strict=True)
        for one in found
    ]
    return list(itertools.chain.from_iterable(parts))


@both
@given(logs, st.integers(1, 20), st.integers(0, 9))
def test_a_pass_sees_each_edge_once_but_those_of_users_who_took_everything(
    negatives: Negatives, rows: list[list[int]], size: int, seed: int
) -> None:
    taught = [
        (user, item)
        for user, row in enumerate(rows)
        for item in sorted(set(row))
        if negatives is Negatives.OTHERS or len(set(row)) < NUM_ITEMS
    ]
    assume(taught)
    found = triples(batches(rows, negatives, size, seed))
    assert sorted((user, positive) for user, positive, _ in found) == taught


@both
@given(logs, st.integers(1, 20))
def test_batches_are_full_but_for_the_last(
    negatives: Negatives, rows: list[list[int]], size: int
) -> None:
    lengths = [len(batch.users) for batch in batches(rows, negatives, size)]
    assert all(length == size for length in lengths[:-1])
    assert all(0 < length <= size for length in lengths[-1:])


@given(logs, st.integers(0, 9))
def test_untaken_negatives_are_none_that_the_user_took(rows: list[list[int]], seed: int) -> None:
    found = triples(batches(rows, Negatives.UNTAKEN, seed=seed))
    assert all(0 <= negative < NUM_ITEMS for _, _, negative in found)
    assert all(negative not in rows[user] for user, _, negative in found)


@given(logs, st.integers(0, 9))
def test_other_negatives_are_never_the_positive(rows: list[list[int]], seed: int) -> None:
    found = triples(batches(rows, Negatives.OTHERS, seed=seed))
    assert all(0 <= negative < NUM_ITEMS for _, _, negative in found)
    assert all(negative != positive for _, positive, negative in found)


def drawn(rows: list[list[int]], negatives: Negatives) -> dict[tuple[int, int], set[int]]:
    """What stood beside each edge in many passes."""
    seen: dict[tuple[int, int], set[int]] = {}
    for seed in range(60):
        for user, positive, negative in triples(batches(rows, negatives, seed=seed)):
            seen.setdefault((user, positive), set()).add(negative)
    return seen


def test_all_that_is_allowed_is_drawn_some_time() -> None:
    rows = [[0, 1], [1, 2, 3, 4]]
    assert drawn(rows, Negatives.UNTAKEN) == {
        (0, 0): {2, 3, 4},
        (0, 1): {2, 3, 4},
        **{(1, item): {0} for item in (1, 2, 3, 4)},
    }
    everything = set(range(NUM_ITEMS))
    assert drawn(rows, Negatives.OTHERS) == {
        (user, item): everything - {item} for user, row in enumerate(rows) for item in row
    }


def test_negatives_are_drawn_evenly() -> None:
    """2000 edges of user 0 over three untaken items: some 667 each."""
    edges = Edges.of(ItemLists.from_lists([[0, 4]]), NUM_ITEMS)
    sampler, rng = EdgeSampler(edges, Negatives.UNTAKEN), np.random.default_rng(0)
    passes = [batch for _ in range(1000) for batch in sampler.batches(2, rng)]
    counts = np.bincount([negative for _, _, negative in triples(passes)], minlength=NUM_ITEMS)
    assert counts[[0, 4]].tolist() == [0, 0]
    assert counts[[1, 2, 3]] == pytest.approx([2000 / 3] * 3, rel=0.1)


def test_who_took_everything_teaches_by_other_negatives_alone() -> None:
    rows = [list(range(NUM_ITEMS)), [2]]
    assert {user for user, _, _ in triples(batches(rows, Negatives.UNTAKEN))} == {1}
    assert {user for user, _, _ in triples(batches(rows, Negatives.OTHERS))} == {0, 1}


@both
def test_the_same_draws_give_the_same_batches_and_others_give_others(negatives: Negatives) -> None:
    rows = [[0, 1, 2], [1, 3], [4]]
    one, again, other = (triples(batches(rows, negatives, seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_each_pass_has_an_order_of_its_own() -> None:
    edges = Edges.of(ItemLists.from_lists([[0, 1, 2], [1, 3], [4]]), NUM_ITEMS)
    sampler, rng = EdgeSampler(edges, Negatives.UNTAKEN), np.random.default_rng(0)
    passes = [triples(list(sampler.batches(2, rng))) for _ in range(2)]
    edges_of_passes = [[triple[:2] for triple in one] for one in passes]
    assert edges_of_passes[0] != edges_of_passes[1]
    assert sorted(edges_of_passes[0]) == sorted(edges_of_passes[1])
