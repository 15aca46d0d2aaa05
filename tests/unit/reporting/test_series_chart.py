"""Lines of several models: where their points lie, and how they are told apart."""

import math
import re
from itertools import pairwise

import pytest

from tests.unit.reporting.svg_parts import lines, marks, spoken, texts
from towerflow.reporting.charts import LINE
from towerflow.reporting.series_chart import Series, series_chart

TICKS = [(0.0, "1"), (1.0, "5"), (2.0, "10")]
A = Series("this model", [(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)])
B = Series("a & b", [(0.0, 0.0), (2.0, 0.25)])


def test_points_lie_where_their_values_say() -> None:
    # The first one lies on top, so it is drawn last.
    b, a = lines(series_chart("NDCG@K", "K", [A, B], TICKS))
    (left, bottom), (middle, half), (right, top) = a
    assert middle - left == pytest.approx(right - middle, abs=0.2)
    assert bottom - half == pytest.approx(half - top, abs=0.2)
    assert b[0] == (left, bottom)
    assert b[1] == (right, pytest.approx(bottom - (bottom - top) / 4, abs=0.2))


def test_lines_are_told_apart_by_dash_marker_and_name() -> None:
    svg = series_chart("NDCG@K", "K", [A, B], TICKS)
    dashes = re.findall(r'stroke-dasharray="([^"]*)"', svg)
    assert len(set(dashes)) == 2
    assert {"this model", "a & b"} <= set(texts(svg))
    # A marker at each point, and one beside each name.
    assert len(marks(svg, "first")) == 3 + 1
    assert len(marks(svg, "second")) == 2 + 1


def test_names_of_lines_that_end_together_stand_below_each_other() -> None:
    same = [Series(name, A.points) for name in "abcd"]
    svg = series_chart("NDCG@K", "K", same, TICKS)
    heights = [float(y) for y in re.findall(r'y="([\d.]+)">[abcd]</text>', svg)]
    assert all(later - earlier >= LINE - 0.1 for earlier, later in pairwise(heights))


def test_long_names_stand_below_the_drawing_where_they_leave_room_for_the_lines() -> None:
    long = Series("llminit-paper-lightgcn-rand", A.points)
    short = lines(series_chart("NDCG@K", "K", [A, B], TICKS))
    svg = series_chart("NDCG@K", "K", [A, long], TICKS)
    assert "llminit-paper-lightgcn-rand" in texts(svg)
    assert lines(svg)[0][-1][0] > short[0][-1][0]


def test_a_band_goes_along_its_upper_end_and_back_along_its_lower_one() -> None:
    band = [(0.0, 0.0, 0.25), (2.0, 0.75, 1.0)]
    svg = series_chart("NDCG@K", "K", [Series("a", A.points, band)], TICKS)
    (places,) = re.findall(r'<polygon class="band" points="([^"]*)"', svg)
    corners = [tuple(map(float, pair.split(","))) for pair in places.split()]
    (left, bottom), _, (right, top) = lines(svg)[0]
    quarter = (bottom - top) / 4
    expected = [(left, bottom - quarter), (right, top), (right, top + quarter), (left, bottom)]
    assert [x for x, _ in corners] == pytest.approx([x for x, _ in expected], abs=0.2)
    assert [y for _, y in corners] == pytest.approx([y for _, y in expected], abs=0.2)


def test_it_says_all_values_of_short_lines_and_the_main_ones_of_long_ones() -> None:
    said = spoken(series_chart("NDCG@K", "K", [A, B], TICKS))
    assert said == (
        "NDCG@K by K. this model: 0.0000 at 1, 0.5000 at 5, 1.0000 at 10; "
        "a & b: 0.0000 at 1, 0.2500 at 10"
    )
    values = [0.1, 0.2, 0.3, 0.4, 0.9, 0.6, 0.5, 0.4, 0.3]
    curve = Series("c", [(float(epoch), value) for epoch, value in enumerate(values, 1)])
    svg = series_chart("NDCG", "epoch", [curve], [])
    assert spoken(svg).endswith("c: from 0.1000 at 1, best 0.9000 at 5, last 0.3000 at 9")
    assert len(marks(svg)) == 1 + 1  # the best point, and beside the name


def test_what_is_not_finite_is_left_out_and_of_nothing_there_is_no_drawing() -> None:
    holes = Series("a", [(0.0, math.nan), (1.0, 0.5), (2.0, math.inf)], [(0.0, 0.0, math.nan)])
    svg = series_chart("NDCG@K", "K", [holes, Series("b", [(0.0, math.nan)])], TICKS)
    assert "nan" not in svg.lower()
    assert "inf" not in svg.lower()
    assert [len(line) for line in lines(svg)] == [1]
    assert series_chart("NDCG@K", "K", [Series("b", [])], TICKS) == ""
    assert lines(series_chart("NDCG@K", "K", [Series("zero", [(0.0, 0.0)])], TICKS))
