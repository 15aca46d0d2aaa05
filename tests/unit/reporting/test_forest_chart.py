"""Slices below each other: points, intervals, the champion's points, the mean."""

import re

import pytest

from tests.unit.reporting.svg_parts import marks, spoken, texts
from towerflow.reporting.charts import WIDTH
from towerflow.reporting.forest_chart import LEFT, RIGHT, ROW, ForestRow, forest_chart

AXIS = [0.0, 0.25, 0.5]
PLOT = WIDTH - LEFT - RIGHT  # from 0 to .5
COLD = ForestRow("cold", 0.25, 0.125, 0.375, other=0.5)
LONG = ForestRow("long", 0.0, 0.0, 0.9)


def chart(*rows: ForestRow) -> str:
    return forest_chart("NDCG@10, history", rows, AXIS, mean=0.125)


def test_points_lie_on_the_axis_row_by_row() -> None:
    svg = chart(COLD, LONG)
    first, second = marks(svg, "first")
    assert first[0] == pytest.approx(LEFT + PLOT / 2, abs=0.1)
    assert second[0] == LEFT
    assert second[1] - first[1] == ROW
    # The champion's is hollow and there once, in the same row.
    assert marks(svg, "second") == [(pytest.approx(LEFT + PLOT, abs=0.1), first[1])]
    assert svg.count('class="hollow second"') == 1


def test_intervals_go_from_their_low_to_their_high_end_and_beyond_the_axis_to_an_arrow() -> None:
    ends = re.findall(
        r'class="line first" d="M([\d.]+) [\d.]+v10m0 -5H([\d.]+)(m\S+)', chart(COLD, LONG)
    )
    (low, high, end), (least, most, arrow) = ends
    assert float(low) == pytest.approx(LEFT + PLOT / 4, abs=0.1)
    assert float(high) == pytest.approx(LEFT + PLOT * 3 / 4, abs=0.1)
    assert (float(least), float(most)) == (LEFT, LEFT + PLOT)
    assert (end, arrow) == ("m0", "m-5")


def test_the_mean_of_the_test_is_a_line_through_all_rows() -> None:
    (place,) = re.findall(r'class="mean" d="M([\d.]+) ', chart(COLD))
    assert float(place) == pytest.approx(LEFT + PLOT / 4, abs=0.1)


def test_it_writes_and_says_all_numbers() -> None:
    svg = chart(COLD, LONG)
    assert {"cold", "0.2500", "long", "0.0000", "0", "0.25", "0.5"} <= set(texts(svg))
    assert spoken(svg) == (
        "NDCG@10, history. cold 0.2500 (95 %: 0.1250 to 0.3750), champion 0.5000; "
        "long 0.0000 (95 %: 0.0000 to 0.9000); mean of the whole test 0.1250"
    )
