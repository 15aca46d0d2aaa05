"""Singular values of a few tables in one drawing, on a logarithmic scale."""

import math
from collections.abc import Sequence
from typing import Final

from towerflow.reporting.charts import LOOKS, WIDTH, label, svg

HEIGHT, TOP, LEFT, BOTTOM, LEGEND = 220, 10, 56, 28, 20  # pixels of the drawing's own grid
LOWEST: Final = -4  # power of ten


def spectrum_chart(tables: Sequence[tuple[str, Sequence[float]]]) -> str:
    """A line a table: σ / σ_max from the first to the last singular value, which are a table's own.

    Args:
        tables: name and `σ / σ_max`, descending.
    """
    lines, legend = [], []
    for number, (name, values) in enumerate(tables):
        look = LOOKS[number % len(LOOKS)]
        style = f'class="line {look.colour}" stroke-dasharray="{look.dash}"'
        points = " ".join(
            f"{_across(place / max(1, len(values) - 1)):.1f},{_down(value):.1f}"
            for place, value in enumerate(values)
        )
        lines.append(f'<polyline {style} points="{points}"/>')
        top = HEIGHT + LEGEND * number + LEGEND / 2
        legend.append(
            f'<path {style} d="M{LEFT} {top:.1f}h48"/>'
            + label(name, f'x="{LEFT + 58}" y="{top + 4:.1f}"', WIDTH - LEFT - 58)
        )
    spoken = "; ".join(f"{name}: last {values[-1]:.2g}" for name, values in tables if values)
    return svg(
        f"singular values over the largest, {spoken}",
        HEIGHT + LEGEND * len(tables),
        "".join([*_axes(), *lines, *legend]),
    )


def _axes() -> list[str]:
    marks = [
        f'<text class="label tick" x="{LEFT - 6}" y="{_down(10.0**power) + 4:.1f}">'
        f"{10.0**power:g}</text>"
        f'<path class="grid" d="M{LEFT} {_down(10.0**power):.1f}H{WIDTH - 10}"/>'
        for power in range(LOWEST, 1)
    ]
    bottom = HEIGHT - 6
    return [
        *marks,
        f'<text class="tick" x="{LEFT}" y="{bottom}">first singular value</text>',
        f'<text class="label tick" x="{WIDTH - 10}" y="{bottom}">last</text>',
    ]


def _across(share: float) -> float:
    return LEFT + share * (WIDTH - 10 - LEFT)


def _down(value: float) -> float:
    """Pixels from the top; what is below the scale lies on its lower edge."""
    power = max(LOWEST, math.log10(value)) if value > 0 else LOWEST
    return TOP + (HEIGHT - TOP - BOTTOM) * power / LOWEST
