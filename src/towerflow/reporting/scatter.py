"""An SVG of labelled points: what something gives against what it costs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Self

from towerflow.reporting.charts import (
    LINE,
    LOOKS,
    WIDTH,
    label,
    marker,
    svg,
    tick_text,
    ticks,
    width_of,
)

Point = tuple[str, float, float]  # label, x, y

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 270, 52, 28, 16, 48
MOST_DECADES: Final = 4  # of more, every other one is named
THOUSANDS: Final = ((9, "G"), (6, "M"), (3, "k"))


def scatter_chart(title: str, x_name: str, points: Sequence[Point]) -> str:
    """Points over a logarithmic x, which is above 0, and a y from 0 up; the first highlighted."""
    axes = _Axes.around(points)
    name = f'<text class="middle" x="{WIDTH / 2:.0f}" y="{HEIGHT - 6}">{escape(x_name)}</text>'
    spoken = "; ".join(f"{label} {y:.4f} at {x:,.4g}" for label, x, y in points)
    body = [*_grid(axes), name, *_marks(axes, points)]
    return svg(f"{title}: {spoken}", HEIGHT, "".join(body))


@dataclass(frozen=True)
class _Axes:
    """From values to pixels.

    Attributes:
        first, last: decades of x at both ends.
        top: the greatest y, or a round one just above.
    """

    first: int
    last: int
    top: float

    @classmethod
    def around(cls, points: Sequence[Point]) -> Self:
        decades = [math.log10(x) for _, x, _ in points]
        first = math.floor(min(decades))
        last = max(math.ceil(max(decades)), first + 1)
        return cls(first, last, ticks(max(y for _, _, y in points))[-1])

    def across(self, x: float) -> float:
        share = (math.log10(x) - self.first) / (self.last - self.first)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def down(self, y: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - y / self.top)


def _grid(axes: _Axes) -> Iterator[str]:
    """Lines with their values: decades of x, round values of y."""
    step = 1 if axes.last - axes.first <= MOST_DECADES else 2
    for decade in range(axes.first, axes.last + 1):
        x = axes.across(10.0**decade)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        if (decade - axes.first) % step == 0:
            place = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}"'
            yield f'<text class="middle tick" {place}>{_decade(decade)}</text>'
    for value in ticks(axes.top):
        y = axes.down(value)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="label tick" x="{LEFT - 6}" y="{y + 4:.1f}">{tick_text(value)}</text>'


def _decade(decade: int) -> str:
    """As 0.1, 10, 100k."""
    for power, letter in THOUSANDS:
        if decade >= power:
            return f"{10 ** (decade - power)}{letter}"
    return f"{10.0**decade:g}"


def _marks(axes: _Axes, points: Sequence[Point]) -> Iterator[str]:
    """A dot and its label for each point; labels that would cover another move down a line."""
    taken: list[tuple[float, float, float]] = []
    for row, (name, x, y) in enumerate(points):
        at, middle = axes.across(x), axes.down(y)
        is_right = at > WIDTH / 2  # where there is no room for the label
        start = at - 9 - width_of(name) if is_right else at + 9
        end = start + width_of(name)
        line = middle + 4
        while any(
            start < right and left < end and abs(line - above) < LINE
            for left, right, above in taken
        ):
            line += LINE
        taken.append((start, end, line))
        yield marker(LOOKS[0 if row == 0 else 2], at, middle)
        place = f'class="label" x="{at - 9:.1f}"' if is_right else f'x="{at + 9:.1f}"'
        yield label(name, f'{place} y="{line:.1f}"', (at if is_right else WIDTH - at) - 9)
