"""Every step from an item to the next is cut once a pass; a single target is drawn uniformly."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.training.config import OneTarget
from towerflow.training.examples import cut_windows, draw_windows

BASE = 100  # user u's items are u * BASE, u * BASE + 1, …: an item tells its user and its place
lists = st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=5)
lengths_of_users = st.lists(st.integers(0, 14), min_size=1, max_size=6)


def histories(lengths: list[int]) -> ItemLists:
    """Users with so many items, all different."""
    return ItemLists.from_lists(
        [[user * BASE + place for place in range(length)] for user, length in enumerate(lengths)]
    )


def as_lists(windows: ItemLists) -> list[list[int]]:
    return [windows[window].tolist() for window in range(len(windows))]


def steps(rows: list[list[int]]) -> Counter[tuple[int, int]]:
    """How often each pair of neighbours occurs."""
    return Counter(pair for row in rows for pair in itertools.pairwise(row))


@given(lists, st.integers(1, 6), st.integers(0, 99))
def test_windows_hold_every_step_once(rows: list[list[int]], length: int, seed: int) -> None:
    cut = as_lists(cut_windows(ItemLists.from_lists(rows), length, np.random.default_rng(seed)))
    assert steps(cut) == steps(rows)
    assert all(2 <= len(window) <= length + 1 for window in cut)


@given(lengths_of_users, st.integers(1, 6), st.integers(0, 99))
def test_every_step_of_every_user_stands_in_exactly_one_window(
    lengths: list[int], length: int, seed: int
) -> None:
    cut = as_lists(cut_windows(histories(lengths), length, np.random.default_rng(seed)))
    assert steps(cut) == {
        (user * BASE + place, user * BASE + place + 1): 1
        for user, count in enumerate(lengths)
        for place in range(count - 1)
    }


@given(lengths_of_users, st.integers(1, 6), st.integers(0, 99))
def test_there_are_as_few_windows_as_there_can_be(
    lengths: list[int], length: int, seed: int
) -> None:
    windows = cut_windows(histories(lengths), length, np.random.default_rng(seed))
    fewest = 0
    for count in lengths:
        while count > 1:
            fewest, count = fewest + 1, count - length
    assert len(windows) == fewest


@given(st.integers(2, 8), st.integers(7, 12), st.integers(0, 99))
def test_a_history_that_fits_is_never_cut(num_items: int, length: int, seed: int) -> None:
    windows = cut_windows(histories([num_items]), length, np.random.default_rng(seed))
    assert as_lists(windows) == [list(range(num_items))]


def test_cuts_differ_between_passes_and_repeat_under_a_seed() -> None:
    rng = np.random.default_rng(1)
    passes = [cut_windows(histories([40]), 7, rng).offsets.tolist() for _ in range(5)]
    again = cut_windows(histories([40]), 7, np.random.default_rng(1)).offsets.tolist()
    assert len({tuple(offsets) for offsets in passes}) > 1
    assert again == passes[0]


def test_every_place_to_cut_comes_up() -> None:
    rng = np.random.default_rng(2)  # 6 steps in two windows of at most 4: cut after 2, 3 or 4
    firsts = Counter(int(cut_windows(histories([7]), 4, rng).lengths[0]) - 1 for _ in range(600))
    assert sorted(firsts) == [2, 3, 4]
    assert all(abs(count - 200) < 4 * np.sqrt(600 * 2 / 9) for count in firsts.values())


@given(lengths_of_users, st.integers(1, 6), st.booleans(), st.integers(0, 99))
def test_a_target_stands_after_all_that_is_before_it_up_to_the_longest_history(
    lengths: list[int], length: int, second_half: bool, seed: int
) -> None:
    drawn = as_lists(
        draw_windows(
            OneTarget(second_half=second_half),
            histories(lengths),
            length,
            np.random.default_rng(seed),
        )
    )
    assert [row[0] // BASE for row in drawn] == [u for u, count in enumerate(lengths) if count > 1]
    for row in drawn:
        user, target = divmod(row[-1], BASE)
        assert row == [user * BASE + place for place in range(max(0, target - length), target + 1)]
        assert target >= (max(1, lengths[user] // 2) if second_half else 1)


@pytest.mark.parametrize(
    ("second_half", "count", "places"),
    [(False, 6, [1, 2, 3, 4, 5]), (True, 6, [3, 4, 5]), (True, 7, [3, 4, 5, 6]), (True, 2, [1])],
)
def test_the_target_is_drawn_uniformly(second_half: bool, count: int, places: list[int]) -> None:
    num_users = 3000
    same = ItemLists.from_lists([list(range(count))] * num_users)
    windows = draw_windows(
        OneTarget(second_half=second_half), same, count, np.random.default_rng(3)
    )
    found = Counter(windows.items[windows.offsets[1:] - 1].tolist())
    assert sorted(found) == places
    share = 1 / len(places)
    error = np.sqrt(num_users * share * (1 - share))
    assert all(abs(number - num_users * share) <= 4 * error for number in found.values())


@pytest.mark.parametrize(
    ("objective", "users"),
    [
        (OneTarget(), [2, 3, 4, 5]),
        (OneTarget(min_items=4), [3, 4, 5]),
        (OneTarget(max_items=5), [2, 3, 4]),
        (OneTarget(min_items=4, max_items=4), [3]),
        (OneTarget(min_items=9), []),
    ],
)
def test_users_with_too_few_or_too_many_items_do_not_teach(
    objective: OneTarget, users: list[int]
) -> None:
    lengths = [0, 1, 2, 4, 5, 8]
    windows = draw_windows(objective, histories(lengths), 50, np.random.default_rng(0))
    assert [row[0] // BASE for row in as_lists(windows)] == users
