"""Intervals of means and of changes: right as often as they say, and what a plain loop gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation import resampling
from towerflow.evaluation.resampling import MOST_DISTINCT, NUM_RESAMPLES, Change, Interval

SAMPLES, USERS = 200, 500
# What nDCG@10 with one item to find can be, and how often it is.
RANKS = np.concatenate([1 / np.log2(np.arange(2, 12)), [0.0]])
OFTEN = np.array([4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 23]) / 40


def sample(rng: np.random.Generator, num_users: int = USERS) -> np.ndarray:
    return rng.choice(RANKS, num_users, p=OFTEN)


def plain_bootstrap(*columns: np.ndarray, seed: int = 1) -> np.ndarray:
    """`[NUM_RESAMPLES, num_columns]` means over users drawn one by one."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(NUM_RESAMPLES):
        drawn = rng.choice(len(columns[0]), len(columns[0]))
        means.append([column[drawn].mean() for column in columns])
    return np.array(means)


def test_the_interval_of_a_mean_holds_the_truth_19_times_in_20() -> None:
    rng, truth = np.random.default_rng(0), float(RANKS @ OFTEN)
    found = [Interval.of(sample(rng), seed) for seed in range(SAMPLES)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.90 <= covered <= 0.99


def test_the_interval_of_a_change_holds_the_truth_19_times_in_20() -> None:
    """The other model is the same but for one user in four, who gets 20 % less."""
    rng, truth = np.random.default_rng(0), 1 / (1 - 0.25 * 0.2) - 1
    covered = []
    for seed in range(SAMPLES):
        values = sample(rng)
        others = values * np.where(rng.random(USERS) < 0.25, 0.8, 1.0)
        found = Change.of(values, others, seed)
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= truth <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_equal_models_are_seldom_told_apart() -> None:
    """Either way 2.5 % of the time."""
    rng = np.random.default_rng(0)
    found = [Change.of(sample(rng), sample(rng), seed) for seed in range(SAMPLES // 2)]
    assert np.mean([one.is_better for one in found]) <= 0.06
    assert np.mean([one.is_worse for one in found]) <= 0.06


def test_its_ends_are_those_of_drawing_users_one_by_one() -> None:
    values = sample(np.random.default_rng(0))
    means = plain_bootstrap(values)[:, 0]
    error = 0.3 * means.std()  # of an end that 2,000 resamples give, about 4 standard errors
    found = Interval.of(values)
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=error)


@pytest.mark.parametrize("num_users", [60, 500])
def test_a_change_is_the_ratio_of_both_means_over_the_same_users(num_users: int) -> None:
    rng = np.random.default_rng(0)
    others = sample(rng, num_users)
    values = np.clip(others + rng.choice([-0.1, 0.0, 0.2], num_users), 0, 1)
    means = plain_bootstrap(values, others)
    ratios = means[:, 0] / means[:, 1] - 1
    found = Change.of(values, others)
    assert found.change == pytest.approx(values.mean() / others.mean() - 1)
    error = 0.3 * ratios.std()
    assert [found.low, found.high] == pytest.approx(np.quantile(ratios, [0.025, 0.975]), abs=error)


@pytest.mark.parametrize("num_users", [MOST_DISTINCT + 100, 6_000])
def test_groups_of_users_give_what_users_give(
    monkeypatch: pytest.MonkeyPatch, num_users: int
) -> None:
    rng = np.random.default_rng(0)
    others = rng.uniform(0.5, 1.0, num_users)  # far from 0: groups of unequal size would show
    values = others * rng.uniform(0.9, 1.2, num_users)
    assert len(np.unique(values)) > MOST_DISTINCT
    grouped, change = Interval.of(values), Change.of(values, others)
    monkeypatch.setattr(resampling, "MOST_DISTINCT", 10**9)
    alone, same = Interval.of(values), Change.of(values, others)
    width = alone.high - alone.low
    assert grouped.high - grouped.low == pytest.approx(width, rel=0.1)
    assert [grouped.low, grouped.high] == pytest.approx([alone.low, alone.high], abs=0.1 * width)
    assert change.change == same.change
    assert None not in (change.low, change.high, same.low, same.high)
    width = same.high - same.low  # type: ignore[operator]
    assert [change.low, change.high] == pytest.approx([same.low, same.high], abs=0.1 * width)


values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(values.filter(lambda row: sum(row) > 1e-9))
def test_a_model_against_itself_has_not_changed(row: list[float]) -> None:
    found = Change.of(np.array(row), np.array(row))
    assert found == Change(change=0, low=0, high=0, p_value=1)
    assert not found.is_better
    assert not found.is_worse


def test_nor_has_it_among_very_many_users() -> None:
    row = np.random.default_rng(0).random(MOST_DISTINCT + 500)
    assert Change.of(row, row) == Change(change=0, low=0, high=0, p_value=1)


@given(values)
def test_against_a_model_that_finds_nothing_there_is_no_share(row: list[float]) -> None:
    found = Change.of(np.array(row), np.zeros(len(row)))
    assert (found.change, found.low, found.high) == (None, None, None)
    assert 0 < found.p_value <= 1
    assert (found.is_better, found.is_worse) == (found.p_value < 0.05, False)


@pytest.mark.parametrize(("hits", "better"), [(0, False), (5, False), (6, True), (30, True)])
def test_whoever_finds_anything_for_enough_users_beats_one_that_finds_nothing(
    hits: int, better: bool
) -> None:
    """All have one sign by chance in 2 of 2^hits cases: 1/16 of five users, 1/32 of six."""
    values = np.array([0.5] * hits + [0.0] * (40 - hits))
    found = Change.of(values, np.zeros(40))
    assert found.p_value == pytest.approx(min(1, 2 / 2**hits), abs=0.01)
    assert (found.is_better, found.is_worse) == (better, False)


# The two next to .05 that 10,000 flips can give.
BELOW, ABOVE = 500 / 10_001, 501 / 10_001


@pytest.mark.parametrize(
    ("low", "high", "p_value", "better", "worse"),
    [
        (0.01, 0.3, BELOW, True, False),
        (0.01, 0.3, ABOVE, False, False),
        (0.0, 0.3, 0.001, False, False),
        (-0.3, -0.01, BELOW, False, True),
        (-0.3, -0.01, ABOVE, False, False),
        (-0.3, 0.0, 0.001, False, False),
        (None, None, BELOW, True, False),
        (None, None, ABOVE, False, False),
    ],
)
def test_interval_and_test_have_to_agree(
    low: float | None, high: float | None, p_value: float, better: bool, worse: bool
) -> None:
    found = Change(change=low, low=low, high=high, p_value=p_value)
    assert (found.is_better, found.is_worse) == (better, worse)


def test_where_only_one_user_differs_a_change_still_has_numbers() -> None:
    """About a third of the resamples are without that user, and then there is no ratio."""
    others = np.eye(10)[0]
    found = Change.of(2 * others, others)
    assert found.change == 1
    assert None not in (found.low, found.high)
    assert found.p_value == 1


@pytest.mark.parametrize(("factor", "num_users"), [(0, 10), (0, 40), (2, 10), (2, 40)])
def test_one_user_alone_shows_nothing(factor: float, num_users: int) -> None:
    others = np.eye(num_users)[0]
    found = Change.of(factor * others, others)
    assert found.p_value == 1
    assert (found.is_better, found.is_worse) == (False, False)


def test_equal_models_that_seldom_find_anything_are_seldom_told_apart() -> None:
    """As in a slice of 30 users, of whom a model finds something for 1 in 20."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(SAMPLES):
        values, others = (rng.choice([0.0, 0.5], 30, p=[0.95, 0.05]) for _ in range(2))
        found.append(Change.of(values, others, seed))
    assert np.mean([one.is_worse for one in found]) <= 0.06


@pytest.mark.parametrize("gain", [0.05, 0.5])
def test_a_planted_gain_is_shown_and_so_is_its_loss(gain: float) -> None:
    rng = np.random.default_rng(0)
    others = sample(rng, 2000) + 0.01
    values = others * (1 + gain * rng.choice([0, 2], 2000))  # half of all gain twice as much
    better, worse = Change.of(values, others), Change.of(others, values)
    assert (better.is_better, better.is_worse) == (True, False)
    assert (worse.is_better, worse.is_worse) == (False, True)
    assert better.change == pytest.approx(gain, rel=0.1)
    assert worse.change == pytest.approx(1 / (1 + gain) - 1, rel=0.1)
    assert max(better.p_value, worse.p_value) < 0.01


def test_a_gain_of_too_few_users_is_not_shown() -> None:
    others = np.array([0.5] * 8)
    values = np.array([0.9, 0.2, 0.6, 0.9, 0.3, 0.7, 0.4, 0.5])
    found = Change.of(values, others)
    assert found.change == pytest.approx(4.5 / 4 - 1)
    assert (found.is_better, found.is_worse) == (False, False)


@given(values, st.integers(0, 5))
def test_an_interval_lies_within_the_values_and_is_repeatable(row: list[float], seed: int) -> None:
    found = Interval.of(np.array(row), seed)
    assert min(row) - 1e-9 <= found.low <= found.high <= max(row) + 1e-9
    assert Interval.of(np.array(row), seed) == found


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_users_changes_nothing(row: list[float], random: object) -> None:
    shuffled = row.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found, other = Interval.of(np.array(row)), Interval.of(np.array(shuffled))
    assert [found.low, found.high] == pytest.approx([other.low, other.high], abs=1e-12)


def test_one_user_and_equal_users_leave_no_doubt() -> None:
    for row in ([0.3], [0.3] * 50):
        found = Interval.of(np.array(row))
        assert [found.low, found.high] == pytest.approx([0.3, 0.3])


def test_more_users_make_it_narrower() -> None:
    """By the root of their number: 16 times as many, a quarter of the width."""
    rng = np.random.default_rng(0)
    few, many = (Interval.of(sample(rng, number)) for number in (1_000, 16_000))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.2)
