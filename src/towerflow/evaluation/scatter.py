"""An SVG of labelled points: what something gives against what it costs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Self

from towerflow.evaluation.charts import WIDTH, svg

Point = tuple[str, float, float]  # label, x, y

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 280, 60, 40, 20, 40  # pixels of the drawing's own grid
LINE: Final = 15  # of text


def scatter_chart(title: str, x_name: str, points: Sequence[Point]) -> str:
    """Points over a logarithmic x, which is above 0, and a y from 0 up; the first highlighted."""
    axes = _Axes.around(points)
    name = f'<text class="tick" x="{WIDTH / 2:.0f}" y="{HEIGHT - 4}">{escape(x_name)}</text>'
    spoken = "; ".join(f"{label} {y:.4f} at {x:,.4g}" for label, x, y in points)
    body = [*_grid(axes), name, *_marks(axes, points)]
    return svg(f"{title}: {spoken}", HEIGHT, "".join(body))


@dataclass(frozen=True)
class _Axes:
    """From values to pixels.

    Attributes:
        first, last: decades of x at both ends.
        top: the greatest y.
    """

    first: int
    last: int
    top: float

    @classmethod
    def around(cls, points: Sequence[Point]) -> Self:
        decades = [math.log10(x) for _, x, _ in points]
        first = math.floor(min(decades))
        last = max(math.ceil(max(decades)), first + 1)
        return cls(first, last, max(y for _, _, y in points) or 1.0)

    def across(self, x: float) -> float:
        share = (math.log10(x) - self.first) / (self.last - self.first)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def down(self, y: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - y / self.top)


def _grid(axes: _Axes) -> Iterator[str]:
    """A line with its value at each decade of x, and at three values of y."""
    for decade in range(axes.first, axes.last + 1):
        x = axes.across(10.0**decade)
        yield f'<line class="axis" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>'
        shown = f"{10**decade:,}" if decade >= 0 else f"{10.0**decade:g}"
        yield f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}">{shown}</text>'
    for value in (0.0, axes.top / 2, axes.top):
        y = axes.down(value)
        yield f'<line class="axis" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield f'<text class="label" x="{LEFT - 6}" y="{y + 4:.1f}">{value:.3f}</text>'


def _marks(axes: _Axes, points: Sequence[Point]) -> Iterator[str]:
    """A dot and its label for each point; labels that would cover another move down a line."""
    taken: list[tuple[float, float]] = []
    for row, (label, x, y) in enumerate(points):
        at, middle = axes.across(x), axes.down(y)
        line = middle + 4
        while any(abs(at - left) < WIDTH / 3 and abs(line - above) < LINE for left, above in taken):
            line += LINE
        taken.append((at, line))
        look = "first" if row == 0 else "other"
        yield f'<circle class="{look}" cx="{at:.1f}" cy="{middle:.1f}" r="5"/>'
        is_right = at > WIDTH * 0.6  # where there is no room for the label
        place = f'class="label" x="{at - 9:.1f}"' if is_right else f'x="{at + 9:.1f}"'
        yield f'<text {place} y="{line:.1f}">{escape(label)}</text>'
