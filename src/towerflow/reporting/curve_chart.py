"""How one number of a training changed from epoch to epoch."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from towerflow.reporting.charts import LOOKS, WIDTH, Scale, marker, svg

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 190, 62, 16, 28, 44
LOOK: Final = LOOKS[0]


def curve_chart(
    title: str, values: Sequence[float], best: Callable[[Sequence[float]], float] = max
) -> str:
    """A line over epochs 1, 2, 3 …, from its lowest value to its highest, the best one marked.

    Epochs whose value isn't finite are left out.

    Returns:
        An SVG, empty if there is nothing to draw.
    """
    shown = [(epoch, y) for epoch, y in enumerate(values, start=1) if math.isfinite(y)]
    if not shown:
        return ""
    found = [y for _, y in shown]
    at, peak = shown[found.index(best(found))]
    across = Scale(1, len(values), LEFT + 8, WIDTH - RIGHT)
    down = Scale(min(found), max(found), HEIGHT - BOTTOM - 8, TOP)
    places = " ".join(f"{across.at(x):.1f},{down.at(y):.1f}" for x, y in shown)
    body = [
        *(_tick(value, down.at(value)) for value in sorted({min(found), max(found)})),
        *(_epoch(x, across.at(x)) for x in sorted({1, len(values)})),
        f'<text class="middle" x="{WIDTH / 2:.0f}" y="{HEIGHT - 6}">epoch</text>',
        f'<polyline class="line {LOOK.colour}" points="{places}"/>',
        marker(LOOK, across.at(at), down.at(peak)),
        _best(f"best {peak:.4f} at {at}", across.at(at), down.at(peak)),
    ]
    spoken = f"from {found[0]:.4f}, best {peak:.4f} at {at}, last {found[-1]:.4f}"
    return svg(f"{title}: {spoken}", HEIGHT, "".join(body))


def _tick(value: float, y: float) -> str:
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="label tick" x="{LEFT - 6}" y="{y + 4:.1f}">{value:.4f}</text>'
    )


def _epoch(epoch: int, x: float) -> str:
    return f'<text class="middle tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}">{epoch:,}</text>'


def _best(text: str, x: float, y: float) -> str:
    """Above the mark, where nothing else is: on a best that is low there is the line."""
    above = y - 12 if y < HEIGHT / 2 else y - 16
    anchor = ' class="label"' if x > WIDTH / 2 else ""
    return f'<text{anchor} x="{x:.1f}" y="{above:.1f}">{text}</text>'
