"""What all charts share: places, ticks, labels that cover neither each other nor the edge."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.reporting.svg_parts import marks, spoken
from towerflow.reporting.charts import (
    CHARACTER,
    LOOKS,
    Scale,
    label,
    marker,
    spread_out,
    svg,
    tick_text,
    ticks,
)


def test_a_scale_is_linear_and_ends_at_its_edges() -> None:
    scale = Scale(0.0, 2.0, 100.0, 300.0)
    assert [scale.at(value) for value in (0, 0.5, 2)] == [100, 100 + 200 / 4, 300]
    assert (scale.at(-1), scale.at(9)) == (100, 300)
    assert Scale(0.0, 1.0, 50.0, 10.0).at(0.25) == 50 - 40 / 4  # upwards
    assert Scale(3.0, 3.0, 10.0, 20.0).at(3.0) == 10  # of a single value


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (0.09, [0, 0.025, 0.05, 0.075, 0.1]),
        (1.0, [0, 0.25, 0.5, 0.75, 1.0]),
        (7.0, [0, 2, 4, 6, 8]),
        (0.0, [0, 1]),
    ],
)
def test_ticks_are_round(high: float, expected: list[float]) -> None:
    assert ticks(high) == pytest.approx(expected)


@given(st.floats(1e-6, 1e6))
def test_ticks_reach_just_above_the_highest_value(high: float) -> None:
    found = ticks(high)
    assert found[0] == 0
    assert found[-1] >= high * (1 - 1e-8)
    assert found[-2] < high
    assert 3 <= len(found) <= 6


def test_a_tick_has_no_zeros_that_say_nothing() -> None:
    assert [tick_text(value) for value in (0.0, 0.1 + 0.2, 0.025, 40.0)] == [
        "0",
        "0.3",
        "0.025",
        "40",
    ]


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=6),
)
def test_labels_keep_their_order_and_their_distance(wanted: list[float]) -> None:
    placed = spread_out(wanted, 10.0, 0.0, 100.0)
    in_order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    ordered = [placed[number] for number in in_order]
    assert all(later - earlier >= 10 - 1e-9 for earlier, later in pairwise(ordered))
    assert min(ordered) >= -1e-9
    assert max(ordered) <= 100 + 1e-9


def test_labels_with_room_stay_where_they_belong() -> None:
    assert spread_out([70.0, 10.0, 40.0], 10.0, 0.0, 100.0) == [70, 10, 40]
    assert spread_out([40.0, 41.0], 10.0, 0.0, 100.0) == [40, 50]


def test_a_label_is_cut_where_there_is_no_room_and_a_pointer_shows_the_whole() -> None:
    assert label("a & b", 'x="1"') == '<text x="1">a &amp; b</text>'
    cut = label("0123456789", 'x="1"', room=5 * CHARACTER)
    assert cut == '<text x="1">0123…<title>0123456789</title></text>'


def test_a_drawing_says_what_it_shows_and_markers_stand_in_their_place() -> None:
    drawn = svg('a "b" & c', 100, marker(LOOKS[0], 12.34, 5.0))
    assert spoken(drawn) == 'a "b" & c'
    assert marks(drawn, "first") == [(12.3, 5.0)]


def test_no_two_looks_are_told_apart_by_colour_alone() -> None:
    assert len({(look.dash, look.marker) for look in LOOKS}) == len(LOOKS)
    assert len({look.dash for look in LOOKS}) == len(LOOKS)
