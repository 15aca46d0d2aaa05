"""Lines of several models in one drawing, each with its name at its end."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from towerflow.reporting.charts import (
    LINE,
    LOOKS,
    WIDTH,
    Look,
    Scale,
    label,
    marker,
    spread_out,
    svg,
    tick_text,
    ticks,
    width_of,
)

LEFT, TOP, BOTTOM, LEAST_HEIGHT = 48, 12, 44, 250
LONGEST_NAME: Final = 125  # beside a line; names that are longer stand below the drawing
MARKED: Final = 8  # points of a line; of more, only the best has its mark
Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: what stands at its end.
        points: x and y, by x.
        band: x, low and high of an interval around it; empty: none is drawn.
    """

    name: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = field(default=())


def series_chart(
    title: str, x_name: str, series: Sequence[Series], x_ticks: Sequence[tuple[float, str]]
) -> str:
    """Lines over a common x, y from 0 up; what isn't finite is left out.

    Args:
        title: what is drawn.
        x_name: what x is.
        series: in the order of LOOKS.
        x_ticks: places on x, with what is written there.

    Returns:
        An SVG, empty if there is nothing to draw.
    """
    shown = [one for one in map(_finite, series) if one.points]
    if not shown:
        return ""
    longest = max(width_of(one.name) for one in shown)
    is_beside = longest <= LONGEST_NAME
    names = longest + 22 if is_beside else 6
    height = max(LEAST_HEIGHT, TOP + BOTTOM + LINE * len(shown) * is_beside)
    highest = max(
        [y for one in shown for _, y in one.points] + [h for one in shown for *_, h in one.band]
    )
    y_ticks = ticks(highest)
    xs = [x for one in shown for x, _ in one.points]
    across = Scale(min(xs), max(xs), LEFT + 8, WIDTH - names - 8)
    down = Scale(0.0, y_ticks[-1], height - BOTTOM, TOP)
    spoken = "; ".join(f"{one.name}: {_spoken(one.points, dict(x_ticks))}" for one in shown)
    body = [
        *_grid(across, down, y_ticks, x_ticks, x_name, names),
        *(_band(one, across, down) for one in shown if one.band),
        # The first one last, so that it lies on top.
        *(p for one, look in reversed(list(_looks(shown))) for p in _line(one, look, across, down)),
    ]
    if is_beside:
        body += _names(shown, down, WIDTH - names)
    else:
        body += _legend(shown, height)
        height += LINE * len(shown) + 6
    return svg(f"{title} by {x_name}. {spoken}", height, "".join(body))


def _finite(one: Series) -> Series:
    return Series(
        one.name,
        [point for point in one.points if all(map(math.isfinite, point))],
        [part for part in one.band if all(map(math.isfinite, part))],
    )


def _looks(series: Sequence[Series]) -> Iterator[tuple[Series, Look]]:
    for number, one in enumerate(series):
        yield one, LOOKS[number % len(LOOKS)]


def _spoken(points: Sequence[Point], names: dict[float, str]) -> str:
    """All values of a short line; first, best and last of a long one."""

    def at(point: Point) -> str:
        return f"{point[1]:.4f} at {names.get(point[0], f'{point[0]:g}')}"

    if len(points) <= MARKED:
        return ", ".join(map(at, points))
    best = max(points, key=lambda point: point[1])
    return f"from {at(points[0])}, best {at(best)}, last {at(points[-1])}"


def _grid(
    across: Scale,
    down: Scale,
    y_ticks: Sequence[float],
    x_ticks: Sequence[tuple[float, str]],
    x_name: str,
    names: float,
) -> Iterator[str]:
    for value in y_ticks:
        y = down.at(value)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - names:.1f}"/>'
        yield f'<text class="label tick" x="{LEFT - 6}" y="{y + 4:.1f}">{tick_text(value)}</text>'
    for value, text in x_ticks:
        place = f'x="{across.at(value):.1f}" y="{down.start + 18:.1f}"'
        yield f'<text class="middle tick" {place}>{escape(text)}</text>'
    centre = (across.start + across.end) / 2
    place = f'x="{centre:.1f}" y="{down.start + 38:.1f}"'
    yield f'<text class="middle" {place}>{escape(x_name)}</text>'


def _band(one: Series, across: Scale, down: Scale) -> str:
    upper = [f"{across.at(x):.1f},{down.at(high):.1f}" for x, _, high in one.band]
    lower = [f"{across.at(x):.1f},{down.at(low):.1f}" for x, low, _ in reversed(one.band)]
    return f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>'


def _line(one: Series, look: Look, across: Scale, down: Scale) -> Iterator[str]:
    places = " ".join(f"{across.at(x):.1f},{down.at(y):.1f}" for x, y in one.points)
    yield (
        f'<polyline class="line {look.colour}" stroke-dasharray="{look.dash}" points="{places}"/>'
    )
    marked = one.points
    if len(marked) > MARKED:
        marked = [max(one.points, key=lambda point: point[1])]
    for x, y in marked:
        yield marker(look, across.at(x), down.at(y))


def _names(series: Sequence[Series], down: Scale, start: float) -> Iterator[str]:
    """Beside the ends of the lines, each with its marker, no two on one line."""
    wanted = [down.at(one.points[-1][1]) for one in series]
    placed = spread_out(wanted, LINE, TOP, down.start)
    for (one, look), y in zip(_looks(series), placed, strict=True):
        yield marker(look, start + 8, y)
        yield label(one.name, f'x="{start + 18:.1f}" y="{y + 4:.1f}"')


def _legend(series: Sequence[Series], top: float) -> Iterator[str]:
    """Below the drawing, a line each, with a piece of its own line."""
    for number, (one, look) in enumerate(_looks(series)):
        y = top + LINE * (number + 0.5)
        yield (
            f'<path class="line {look.colour}" stroke-dasharray="{look.dash}" '
            f'd="M{LEFT} {y:.1f}h44"/>'
        )
        yield marker(look, LEFT + 22, y)
        yield label(one.name, f'x="{LEFT + 54}" y="{y + 4:.1f}"', WIDTH - LEFT - 54)
