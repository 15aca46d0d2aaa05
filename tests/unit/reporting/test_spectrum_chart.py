"""The drawing of singular values: where its points lie, and what it says aloud."""

import re

import pytest

from towerflow.reporting.spectrum_chart import BOTTOM, HEIGHT, LEFT, TOP, spectrum_chart


def points(svg: str) -> list[list[tuple[float, float]]]:
    """Of each line."""
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]
        for line in re.findall(r'points="([^"]*)"', svg)
    ]


def test_a_power_of_ten_is_a_quarter_of_the_height() -> None:
    (line,) = points(spectrum_chart([("a", [1.0, 0.1, 0.0001])]))
    height = HEIGHT - TOP - BOTTOM
    assert [y for _, y in line] == pytest.approx([TOP, TOP + height / 4, TOP + height], abs=0.1)
    assert line[0][0] == LEFT
    assert line[1][0] - line[0][0] == pytest.approx(line[2][0] - line[1][0], abs=0.2)


def test_nothing_falls_off_the_lower_edge() -> None:
    (line,) = points(spectrum_chart([("a", [1.0, 1e-9, 0.0])]))
    assert {y for _, y in line[1:]} == {HEIGHT - BOTTOM}


def test_tables_are_told_apart_and_named() -> None:
    svg = spectrum_chart([("a & b", [1.0, 0.5]), ("c", [1.0, 0.25])])
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)" points', svg))) == 2
    assert ">a &amp; b</text>" in svg
    assert "a &amp; b: last 0.5; c: last 0.25" in svg
