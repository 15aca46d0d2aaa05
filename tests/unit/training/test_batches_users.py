"""Batches, user by user: every step of everybody, nothing of two users in one window."""

import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.training.batches import batches, cut_windows

BASE = 100  # user u's items are u * BASE, u * BASE + 1, …: an item tells its user and its place
lengths_of_users = st.lists(st.integers(0, 14), min_size=1, max_size=6)


def histories(lengths: list[int]) -> ItemLists:
    """Users with so many items, all different."""
    return ItemLists.from_lists(
        [[user * BASE + place for place in range(length)] for user, length in enumerate(lengths)]
    )


@given(lengths_of_users, st.integers(1, 6), st.integers(0, 99))
def test_every_step_of_every_user_stands_in_exactly_one_window(
    lengths: list[int], length: int, seed: int
) -> None:
    windows = cut_windows(histories(lengths), length, np.random.default_rng(seed))
    cut = [windows[window].tolist() for window in range(len(windows))]
    found = Counter(pair for window in cut for pair in itertools.pairwise(window))
    assert found == {
        (user * BASE + place, user * BASE + place + 1): 1
        for user, count in enumerate(lengths)
        for place in range(count - 1)
    }


@given(lengths_of_users, st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_windows_of_like_length_share_a_batch(
    lengths: list[int], length: int, batch_size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = [
        sorted((batch >= 0).sum(axis=1).tolist())
        for batch in batches(histories(lengths), length, batch_size, rng)
    ]
    in_order = sorted(found)
    assert all(one[-1] <= other[0] for one, other in itertools.pairwise(in_order))
    assert sum(len(batch) < batch_size for batch in found) <= 1


def epoch(rng: np.random.Generator) -> list[list[list[int]]]:
    """All batches of one epoch over ten users of 20 items."""
    return [batch.tolist() for batch in batches(histories([20] * 10), 6, 4, rng)]


def test_an_epoch_repeats_under_its_seed_and_differs_from_the_next() -> None:
    rng = np.random.default_rng(5)
    first, second = epoch(rng), epoch(rng)
    assert epoch(np.random.default_rng(5)) == first
    assert first != second
    assert epoch(np.random.default_rng(6)) != first


def test_batches_do_not_come_in_order_of_length() -> None:
    """Else every epoch would end with the longest histories, at its smallest learning rate."""
    orders = set()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        orders.add(tuple(batch.shape[1] for batch in batches(histories([2, 4, 8]), 20, 1, rng)))
    assert any(list(order) != sorted(order) for order in orders)
    assert len(orders) > 1
