"""Bounds of time: exact where events have few times, near where they have many."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.times import about, add_times, time_bounds


def counted(times: list[float]) -> pa.Table:
    """What a shard with these times tells."""
    values, counts = np.unique(about(np.array(times, dtype=np.float64)), return_counts=True)
    return pa.table({"timestamp": values, "count": counts})


def test_the_last_tenth_is_for_test_and_the_tenth_before_for_validation() -> None:
    assert time_bounds(counted([float(day) for day in range(100)]), 0.1) == (80, 90)


def test_what_happened_at_once_stays_together() -> None:
    assert time_bounds(counted([1.0] * 50 + [2.0] * 45 + [3.0] * 5), 0.1) == (3, 3)
    assert time_bounds(counted([1.0] * 70 + [2.0] * 15 + [3.0] * 15), 0.15) == (2, 3)


def test_unix_seconds_are_cut_to_a_quarter_of_an_hour() -> None:
    now = 1_700_000_000.0
    assert 0 <= now - about(np.array([now]))[0] < 1024


times = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30)


@given(times, times)
def test_shards_can_be_added_in_any_order(one: list[float], other: list[float]) -> None:
    together = counted(one + other)
    assert add_times(counted(one), counted(other)).equals(together)
    assert add_times(counted(other), counted(one)).equals(together)


@given(times)
def test_cutting_keeps_the_order(values: list[float]) -> None:
    cut = about(np.array(sorted(map(abs, values)), dtype=np.float64))
    assert (np.diff(cut) >= 0).all()


def test_a_share_of_events_lies_behind_each_bound() -> None:
    drawn = np.random.default_rng(0).uniform(1.3e9, 1.4e9, 20_000)
    validation, test = time_bounds(counted(drawn.tolist()), 0.1)
    assert (drawn >= test).mean() == pytest.approx(0.1, abs=0.001)
    assert (drawn >= validation).mean() == pytest.approx(0.2, abs=0.001)
