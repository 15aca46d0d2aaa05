"""Points stand where their values say, and labels don't cover each other."""

import re
from itertools import pairwise

import pytest

from tests.unit.reporting.svg_parts import marks, texts
from towerflow.reporting.charts import LINE
from towerflow.reporting.scatter import scatter_chart


def test_equal_factors_are_equal_steps_and_more_is_higher() -> None:
    svg = scatter_chart("cost", "seconds", [("a", 1, 0.4), ("b", 10, 0.2), ("c & d", 100, 0.0)])
    (a, b, c) = marks(svg)
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.2)
    assert b[1] - a[1] == pytest.approx(c[1] - b[1], abs=0.2)
    assert a[1] < b[1]
    assert "c &amp; d" in svg
    assert 'aria-label="cost: a 0.4000 at 1; b 0.2000 at 10' in svg
    assert marks(svg, "first") == [a]  # by another shape too
    assert {"1", "10", "100", "c & d"} <= set(texts(svg))


def test_large_numbers_are_short_and_of_many_decades_every_other_one_is_named() -> None:
    wide = texts(scatter_chart("cost", "parameters", [("a", 0.01, 0.3), ("b", 3e6, 0.3)]))
    assert {"0.01", "1", "100", "10k", "1M"} <= set(wide)
    assert not {"10", "1k", "100k", "10M"} & set(wide)
    assert "2G" not in texts(scatter_chart("cost", "parameters", [("a", 2e9, 0.1)]))
    assert "10G" in texts(scatter_chart("cost", "parameters", [("a", 2e9, 0.1)]))


def test_labels_stay_inside_the_drawing() -> None:
    right = scatter_chart("x", "seconds", [("at the right", 99, 0.4), ("left", 1, 0.2)])
    assert re.findall(
        r'<text (class="label" )?x="[\d.]+" y="[\d.]+">(at the right|left)', right
    ) == [
        ('class="label" ', "at the right"),
        ("", "left"),
    ]


def test_labels_of_near_points_stand_below_each_other() -> None:
    svg = scatter_chart("x", "seconds", [("a", 5, 0.4), ("b", 5, 0.4), ("c", 5, 0.39)])
    lines = [float(y) for y in re.findall(r'y="([\d.]+)">[abc]</text>', svg)]
    assert len(lines) == 3
    assert all(later - earlier >= LINE for earlier, later in pairwise(lines))


@pytest.mark.parametrize("points", [[("a", 1, 0.0)], [("a", 1000, 0.5)], [("a", 0.01, 0.5)]])
def test_a_single_point_has_axes_too(points: list[tuple[str, float, float]]) -> None:
    assert len(marks(scatter_chart("x", "seconds", points))) == 1
