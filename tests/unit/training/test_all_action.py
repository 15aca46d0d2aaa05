"""The cut and the two stages of sampling, against arithmetic and chances."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.training.all_action import (
    after_cut,
    recency_weights,
    sample_recent,
    sample_uniform,
)
from towerflow.training.config import AllAction, Cut

OBJECTIVE = AllAction()
NUM_DRAWS = 20_000
lists = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=9), min_size=1, max_size=5)


def by_user(items: ItemLists, flags: np.ndarray) -> list[list[bool]]:
    return [flags[begin:end].tolist() for begin, end in itertools.pairwise(items.offsets.tolist())]


def test_weights_by_hand() -> None:
    steps = [10, 2507.5, 5005, 7502.5, 10_000]
    expected = [math.log(step) / math.log(10_000) for step in steps]
    assert recency_weights(5, 10, 10_000).tolist() == pytest.approx(expected)
    assert recency_weights(2, 10, 10_000).tolist() == pytest.approx([0.25, 1])


def test_a_single_item_weighs_one() -> None:
    assert recency_weights(1, 10, 10_000).tolist() == [1.0]


@given(st.integers(2, 80), st.floats(1.1, 50), st.floats(1.1, 1e6))
def test_weights_rise_to_the_newest_if_beta_is_larger(
    length: int, alpha: float, beta: float
) -> None:
    rises = np.diff(recency_weights(length, alpha, beta)) * np.sign(beta - alpha)
    assert (rises >= -1e-12).all()
    assert recency_weights(length, alpha, beta).max() == 1


@pytest.mark.parametrize(
    ("share", "after"), [(0.1, {9.0}), (0.2, {8.0, 9.0}), (0.5, {5.0, 6.0, 7.0, 8.0, 9.0})]
)
def test_a_timestamp_cuts_off_the_share_of_interactions_whoever_they_belong_to(
    share: float, after: set[float]
) -> None:
    items = ItemLists.from_lists([[1, 2, 3], [4, 5], [6, 7, 8, 9, 10]])
    times = np.array([0.0, 2, 9, 1, 8, 3, 4, 5, 6, 7])
    objective = AllAction(cut=Cut.TIMESTAMP, target_share=share)
    flags = after_cut(objective, items, times, np.random.default_rng(0))
    assert set(times[flags]) == after


def test_what_happened_at_the_cut_itself_is_history() -> None:
    items = ItemLists.from_lists([[1, 2, 3, 4]])
    times = np.array([5.0, 5, 5, 6])
    objective = AllAction(cut=Cut.TIMESTAMP, target_share=0.5)
    flags = after_cut(objective, items, times, np.random.default_rng(0))
    assert flags.tolist() == [False, False, False, True]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(0, 99))
def test_a_random_cut_gives_everybody_with_two_items_both_sides(
    lengths: list[int], seed: int
) -> None:
    items = ItemLists.from_lists([list(range(length)) for length in lengths])
    times = np.zeros(len(items.items))
    flags = after_cut(AllAction(cut=Cut.RANDOM), items, times, np.random.default_rng(seed))
    for sides in by_user(items, flags):
        assert sides == sorted(sides)  # what comes after the cut comes last
        assert len(set(sides)) == min(2, len(sides))
        assert sides[:1] in ([], [False])


def test_each_place_of_a_random_cut_is_as_likely() -> None:
    num_users = 3000
    items = ItemLists.from_lists([[1, 2, 3, 4]] * num_users)
    times = np.zeros(4 * num_users)
    flags = after_cut(AllAction(cut=Cut.RANDOM), items, times, np.random.default_rng(4))
    found = Counter(sum(sides) for sides in by_user(items, flags))
    assert sorted(found) == [1, 2, 3]
    error = math.sqrt(num_users * 2 / 9)
    assert all(abs(count - num_users / 3) < 4 * error for count in found.values())


@given(lists, st.integers(1, 6), st.integers(0, 99))
def test_a_uniform_sample_keeps_order_and_size(rows: list[list[int]], most: int, seed: int) -> None:
    places = [list(range(len(row))) for row in rows]  # items that tell their place
    sample = sample_uniform(ItemLists.from_lists(places), most, np.random.default_rng(seed))
    for row in range(len(rows)):
        found = sample[row].tolist()
        assert found == sorted(set(found))
        assert set(found) <= set(places[row])
        assert len(found) == min(most, len(rows[row]))


def test_a_uniform_sample_of_nothing_is_nothing() -> None:
    sample = sample_uniform(ItemLists.from_lists([[], [7], []]), 3, np.random.default_rng(0))
    assert [sample[row].tolist() for row in range(3)] == [[], [7], []]


def test_every_subset_is_as_likely() -> None:
    same = ItemLists.from_lists([[0, 1, 2, 3, 4]] * NUM_DRAWS)
    sample = sample_uniform(same, 2, np.random.default_rng(5))
    found = Counter(map(tuple, sample.items.reshape(NUM_DRAWS, 2).tolist()))
    assert sorted(found) == list(itertools.combinations(range(5), 2))
    error = math.sqrt(NUM_DRAWS * 0.1 * 0.9)
    assert all(abs(count - NUM_DRAWS / 10) < 4 * error for count in found.values())


@given(lists, st.integers(1, 6), st.integers(0, 99))
def test_a_recent_sample_has_no_token_twice_and_as_many_as_there_are(
    rows: list[list[int]], most: int, seed: int
) -> None:
    items = ItemLists.from_lists(rows)
    tokens = sample_recent(items, most, OBJECTIVE, np.random.default_rng(seed))
    assert tokens.tolist() == sorted(set(tokens.tolist()))
    found = np.bincount(items.rows()[tokens], minlength=len(rows)).tolist()
    assert found == [min(most, len(row)) for row in rows]


def test_recent_items_are_drawn_by_their_weights() -> None:
    same = ItemLists.from_lists([[0, 1, 2, 3, 4]] * NUM_DRAWS)
    tokens = sample_recent(same, 1, OBJECTIVE, np.random.default_rng(6))
    weights = recency_weights(5, OBJECTIVE.alpha, OBJECTIVE.beta)
    chances = weights / weights.sum()
    found = np.bincount(same.items[tokens], minlength=5) / NUM_DRAWS
    assert (np.abs(found - chances) < 4 * np.sqrt(chances * (1 - chances) / NUM_DRAWS)).all()
    assert found[0] < found[1]


def test_two_recent_items_are_drawn_one_after_the_other_without_putting_back() -> None:
    same = ItemLists.from_lists([[0, 1, 2]] * NUM_DRAWS)
    objective = AllAction(alpha=2, beta=1024)
    tokens = sample_recent(same, 2, objective, np.random.default_rng(7))
    weights = [math.log(2), math.log(513), math.log(1024)]
    first = [weight / sum(weights) for weight in weights]
    chances = [
        first[i] + sum(first[j] * first[i] / (1 - first[j]) for j in range(3) if j != i)
        for i in range(3)
    ]
    found = np.bincount(same.items[tokens], minlength=3) / NUM_DRAWS
    assert sum(chances) == pytest.approx(2)
    for share, chance in zip(found.tolist(), chances, strict=True):
        assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / NUM_DRAWS)


def test_lists_of_several_lengths_each_have_their_own_weights() -> None:
    both = ItemLists.from_lists([[0, 1], [2, 3, 4]] * NUM_DRAWS)
    drawn = both.items[sample_recent(both, 1, OBJECTIVE, np.random.default_rng(8))]
    found = np.bincount(drawn, minlength=5) / NUM_DRAWS
    for items in ([0, 1], [2, 3, 4]):
        weights = recency_weights(len(items), OBJECTIVE.alpha, OBJECTIVE.beta)
        assert found[items] == pytest.approx(weights / weights.sum(), abs=4 * 0.5 / 141)
