"""Batches of next items: what is found from where, how many at a time, and parts for ranks."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.training.config import NextItem, OneTarget
from towerflow.training.examples import NextItemBatch, next_item_batches, share

BASE = 100  # user u's items are u * BASE, u * BASE + 1, …
lengths_of_users = st.lists(st.integers(0, 14), min_size=1, max_size=6)
Objective = NextItem | OneTarget


def one_pass(
    objective: Objective, lengths: list[int], length: int, batch_size: int, seed: int = 0
) -> list[tuple[NextItemBatch, float]]:
    rows = [[user * BASE + place for place in range(count)] for user, count in enumerate(lengths)]
    rng = np.random.default_rng(seed)
    histories = ItemLists.from_lists(rows)
    return list(next_item_batches(objective, histories, length, batch_size, rng))


def pairs(batch: NextItemBatch) -> list[tuple[int, int]]:
    """What is read last, and what is then to be found."""
    sources = batch.inputs.items[batch.sources].tolist()
    return list(zip(sources, batch.targets.tolist(), strict=True))


@given(lengths_of_users, st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_each_item_but_a_users_first_is_found_once_from_the_one_before_it(
    lengths: list[int], length: int, batch_size: int, seed: int
) -> None:
    batches = one_pass(NextItem(), lengths, length, batch_size, seed)
    found = Counter(pair for batch, _ in batches for pair in pairs(batch))
    assert found == {
        (user * BASE + place - 1, user * BASE + place): 1
        for user, count in enumerate(lengths)
        for place in range(1, count)
    }
    for batch, _ in batches:
        assert batch.sources.tolist() == list(range(len(batch.inputs.items)))
        assert batch.inputs.lengths.min() >= 1
        assert batch.inputs.lengths.max() <= length


@given(lengths_of_users, st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_one_item_of_each_user_is_found_from_the_last_before_it(
    lengths: list[int], length: int, batch_size: int, seed: int
) -> None:
    batches = one_pass(OneTarget(), lengths, length, batch_size, seed)
    users = []
    for batch, _ in batches:
        assert batch.sources.tolist() == [int(end) - 1 for end in batch.inputs.offsets[1:]]
        assert all(target == source + 1 for source, target in pairs(batch))
        users += [target // BASE for target in batch.targets.tolist()]
    assert sorted(users) == [user for user, count in enumerate(lengths) if count > 1]


@given(lengths_of_users, st.integers(1, 6), st.integers(1, 30), st.integers(0, 99))
def test_a_batch_is_as_large_as_asked_give_or_take_a_sequence(
    lengths: list[int], length: int, batch_size: int, seed: int
) -> None:
    batches = one_pass(NextItem(), lengths, length, batch_size, seed)
    sizes = [len(batch.targets) for batch, _ in batches]
    assert all(0 < size < batch_size + length for size in sizes)
    assert all(size > batch_size - length for size in sizes[:-1])


def test_sequences_of_one_target_fill_batches_exactly() -> None:
    sizes = [len(batch.targets) for batch, _ in one_pass(OneTarget(), [5] * 10, 50, 4)]
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize("objective", [NextItem(), OneTarget()])
def test_the_share_of_the_pass_is_that_at_the_middle_of_the_batch(objective: Objective) -> None:
    batches = one_pass(objective, [5] * 10, 50, 8 if objective.kind == "next_item" else 2)
    assert [done for _, done in batches] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])


@given(lengths_of_users, st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_the_share_of_the_pass_rises_between_its_ends(
    lengths: list[int], length: int, batch_size: int, seed: int
) -> None:
    done = [done for _, done in one_pass(NextItem(), lengths, length, batch_size, seed)]
    assert all(0 < value < 1 for value in done)
    assert all(one < other for one, other in itertools.pairwise(done))


@pytest.mark.parametrize("objective", [NextItem(), OneTarget()])
def test_a_pass_repeats_under_its_seed_and_differs_under_another(objective: Objective) -> None:
    first, again, other = (
        [pairs(batch) for batch, _ in one_pass(objective, [20] * 10, 6, 12, seed)]
        for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_sequences_come_neither_in_order_of_users_nor_of_length() -> None:
    """Else every pass would end with the longest histories, at its smallest learning rate."""
    orders = {
        tuple(len(batch.targets) for batch, _ in one_pass(NextItem(), [2, 4, 8], 20, 1, seed=seed))
        for seed in range(30)
    }
    assert orders == set(itertools.permutations([1, 3, 7]))


def test_nobody_to_learn_from_is_no_batch() -> None:
    assert one_pass(NextItem(), [0, 1, 1], 5, 4) == []
    assert one_pass(OneTarget(), [0, 1, 1], 5, 4) == []


@given(st.lists(st.integers(1, 5), min_size=1, max_size=7), st.integers(1, 5), st.data())
def test_the_parts_of_all_ranks_are_the_whole_exactly_once(
    lengths: list[int], num_ranks: int, data: st.DataObject
) -> None:
    lists = ItemLists.from_lists(
        [[10 * row + i for i in range(n)] for row, n in enumerate(lengths)]
    )
    num_tokens = len(lists.items)
    tokens = np.array(sorted(data.draw(st.sets(st.integers(0, num_tokens - 1)))), dtype=np.int64)
    rows, whiches = [], []
    for rank in range(num_ranks):
        part, theirs, which = share(lists, tokens, rank, num_ranks)
        assert len(part) > 0
        assert part.items[theirs].tolist() == lists.items[tokens[which]].tolist()
        if rank < len(lists):
            rows += [part[row].tolist() for row in range(len(part))]
        else:
            assert len(part) == 1
            assert len(theirs) == 0
        whiches += which.tolist()
    assert sorted(rows) == [lists[row].tolist() for row in range(len(lists))]
    assert sorted(whiches) == list(range(len(tokens)))


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 8])
@pytest.mark.parametrize("objective", [NextItem(), OneTarget()])
def test_parts_of_a_batch_find_the_same_items_from_the_same_sources(
    objective: Objective, num_ranks: int
) -> None:
    [(batch, _)] = one_pass(objective, [3, 5, 2, 4], 50, 100)
    parts = [batch.share(rank, num_ranks) for rank in range(num_ranks)]
    assert Counter(pair for part, _ in parts for pair in pairs(part)) == Counter(pairs(batch))
    for part, which in parts:
        assert part.targets.tolist() == batch.targets[which].tolist()
