"""Points stand where their values say, and labels don't cover each other."""

import re
from itertools import pairwise

import pytest

from towerflow.evaluation.scatter import LINE, scatter_chart


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_equal_factors_are_equal_steps_and_more_is_higher() -> None:
    svg = scatter_chart("cost", "seconds", [("a", 1, 0.4), ("b", 10, 0.2), ("c & d", 100, 0.0)])
    (a, b, c) = circles(svg)
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.2)
    assert b[1] - a[1] == pytest.approx(c[1] - b[1], abs=0.2)
    assert a[1] < b[1]
    assert "c &amp; d" in svg
    assert 'aria-label="cost: a 0.4000 at 1; b 0.2000 at 10' in svg
    assert svg.count('class="first"') == 1
    for tick in ("1", "10", "100"):
        assert f">{tick}</text>" in svg
    wide = scatter_chart("cost", "parameters", [("a", 0.01, 0.1), ("b", 3e6, 0.1)])
    assert ">0.01</text>" in wide
    assert ">1,000,000</text>" in wide


def test_labels_of_near_points_stand_below_each_other() -> None:
    svg = scatter_chart("x", "seconds", [("a", 5, 0.4), ("b", 5, 0.4), ("c", 5, 0.39)])
    lines = [float(y) for y in re.findall(r'y="([\d.]+)">[abc]</text>', svg)]
    assert all(later - earlier >= LINE for earlier, later in pairwise(lines))


@pytest.mark.parametrize("points", [[("a", 1, 0.0)], [("a", 1000, 0.5)], [("a", 0.01, 0.5)]])
def test_a_single_point_has_axes_too(points: list[tuple[str, float, float]]) -> None:
    assert len(circles(scatter_chart("x", "seconds", points))) == 1
