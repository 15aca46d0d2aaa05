"""A number over epochs: from its lowest value to its highest, the best one marked."""

import math

import pytest

from tests.unit.reporting.svg_parts import lines, marks, spoken, texts
from towerflow.reporting.curve_chart import curve_chart


def test_values_lie_between_the_lowest_and_the_highest() -> None:
    svg = curve_chart("ndcg", [1.0, 3.0, 2.0])
    ((first, low), (second, high), (third, middle)) = lines(svg)[0]
    assert second - first == pytest.approx(third - second, abs=0.1)
    assert low - middle == pytest.approx(middle - high, abs=0.1)
    assert marks(svg) == [(second, high)]
    assert {"1.0000", "3.0000", "1", "3", "epoch", "best 3.0000 at 2"} <= set(texts(svg))
    assert spoken(svg) == "ndcg: from 1.0000, best 3.0000 at 2, last 2.0000"


def test_of_a_loss_the_least_is_best() -> None:
    assert spoken(curve_chart("loss", [3.0, 1.0, 2.0], min)).endswith(
        "best 1.0000 at 2, last 2.0000"
    )


def test_a_single_epoch_has_a_point() -> None:
    assert len(marks(curve_chart("one", [0.5]))) == 1


def test_what_is_not_finite_is_left_out() -> None:
    svg = curve_chart("loss", [2.0, math.nan, 1.0, math.inf], min)
    assert len(lines(svg)[0]) == 2
    assert "best 1.0000 at 3" in spoken(svg)
    assert curve_chart("loss", [math.nan]) == ""
    assert curve_chart("loss", []) == ""
