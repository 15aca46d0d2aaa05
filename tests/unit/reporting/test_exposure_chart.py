"""Shares of popularity groups: bars as long as their shares, over one scale."""

import re

import pytest

from tests.unit.reporting.svg_parts import spoken, texts
from towerflow.evaluation.popularity_groups import Exposure
from towerflow.reporting.charts import WIDTH
from towerflow.reporting.exposure_chart import LEFT, RIGHT, exposure_charts

LONGEST = WIDTH - LEFT - RIGHT


def group(name: str, items: int, trained: float, taken: float, recommended: float) -> Exposure:
    return Exposure(
        group=name,
        description=f"what {name} is",
        items=items,
        trained=trained,
        taken=taken,
        recommended=recommended,
    )


OWN = [group("tail", 1, 0.4, 0.2, 0.1), group("head", 2000, 0.6, 0.8, 0.9)]
CHAMPION = [group("tail", 1, 0.4, 0.2, 0.0), group("head", 2000, 0.6, 0.8, 1.0)]


def widths(svg: str) -> list[float]:
    return [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', svg)]


def test_bars_are_as_long_as_their_shares_of_the_longest() -> None:
    (_, tail), (_, head) = exposure_charts(OWN, CHAMPION)
    assert widths(tail) == pytest.approx([LONGEST * s for s in (0.4, 0.2, 0.1, 0.0)], abs=0.1)
    assert widths(head) == pytest.approx([LONGEST * s for s in (0.6, 0.8, 0.9, 1.0)], abs=0.1)


def test_every_bar_has_its_name_and_its_number() -> None:
    (heading, tail), (other, _) = exposure_charts(OWN, CHAMPION)
    assert heading == "Tail: 1 item, what tail is"
    assert other == "Head: 2,000 items, what head is"
    names, numbers = texts(tail)[::2], [text.replace("\xa0", " ") for text in texts(tail)[1::2]]
    assert names == ["trained on", "taken", "recommended", "by champion"]
    assert numbers == ["40.0 %", "20.0 %", "10.0 %", "0.0 %"]
    assert spoken(tail) == (
        "Shares of tail items: trained on 40.0%, taken 20.0%, recommended 10.0%, by champion 0.0%"
    )


def test_without_a_champion_it_has_no_bar() -> None:
    (_, tail), (_, head) = exposure_charts(OWN, [])
    assert widths(tail) == pytest.approx([LONGEST * s / 0.9 for s in (0.4, 0.2, 0.1)], abs=0.1)
    assert "by champion" not in head


def test_nothing_recommended_at_all_is_no_mistake() -> None:
    ((_, svg),) = exposure_charts([group("new", 3, 0.0, 0.0, 0.0)], [])
    assert widths(svg) == [0, 0, 0]
    assert list(exposure_charts([], [])) == []
