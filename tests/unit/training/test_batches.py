"""Every step from an item to the next is learnt from once per epoch."""

import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.training.batches import batches, cut_windows

lists = st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=5)


def steps(rows: list[list[int]]) -> Counter[tuple[int, int]]:
    """How often each pair of neighbours occurs."""
    return Counter(pair for row in rows for pair in itertools.pairwise(row))


@given(lists, st.integers(1, 6), st.integers(0, 99))
def test_windows_hold_every_step_once(rows: list[list[int]], length: int, seed: int) -> None:
    windows = cut_windows(ItemLists.from_lists(rows), length, np.random.default_rng(seed))
    cut = [windows[window].tolist() for window in range(len(windows))]
    assert steps(cut) == steps(rows)
    assert all(2 <= len(window) <= length + 1 for window in cut)


@given(lists, st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_batches_are_the_padded_windows(
    rows: list[list[int]], length: int, batch_size: int, seed: int
) -> None:
    found = []
    for batch in batches(
        ItemLists.from_lists(rows), length, batch_size, np.random.default_rng(seed)
    ):
        assert len(batch) <= batch_size
        for row in batch.tolist():
            real = [item for item in row if item >= 0]
            assert row == real + [-1] * (len(row) - len(real))
            found.append(real)
    assert steps(found) == steps(rows)


def test_cuts_differ_between_epochs_and_repeat_under_a_seed() -> None:
    histories = ItemLists.from_lists([list(range(40))])
    rng = np.random.default_rng(1)
    epochs = [cut_windows(histories, 7, rng).offsets.tolist() for _ in range(5)]
    again = cut_windows(histories, 7, np.random.default_rng(1)).offsets.tolist()
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert again == epochs[0]


@given(st.integers(2, 8), st.integers(7, 12), st.integers(0, 99))
def test_a_history_that_fits_is_never_cut(num_items: int, length: int, seed: int) -> None:
    histories = ItemLists.from_lists([list(range(num_items))])
    windows = cut_windows(histories, length, np.random.default_rng(seed))
    assert [windows[0].tolist()] == [list(range(num_items))]
    assert len(windows) == 1
