"""What all SVG charts share; colours come from the page's style, so they fit dark mode.

A drawing is so narrow that its text can still be read on a phone. What a colour says is said by a
shape or a word too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 400  # of a drawing's own grid, whose unit is about a pixel
CHARACTER: Final = 8.6  # width of a letter, on average, in a wide font
LINE: Final = 17  # from one line of text to the next
LONGEST_LABEL: Final = 260
NUM_TICKS: Final = 4  # about


@dataclass(frozen=True)
class Look:
    """How one of several models is drawn.

    Attributes:
        colour: class of the style, a colour.
        dash: as `stroke-dasharray` has it; empty: solid.
        marker: path of a shape around 0, 0.
    """

    colour: str
    dash: str
    marker: str


_CIRCLE: Final = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z"
_DIAMOND: Final = "M0-6L6 0L0 6L-6 0z"
_SQUARE: Final = "M-4-4H4V4H-4z"
_TRIANGLE: Final = "M0-5L5 4H-5z"
LOOKS: Final = (
    Look("first", "", _CIRCLE),
    Look("second", "9 4", _DIAMOND),
    Look("other", "2 4", _SQUARE),
    Look("other", "9 4 2 4", _TRIANGLE),
    Look("third", "5 3", _SQUARE),
    Look("fourth", "12 3 2 3 2 3", _TRIANGLE),
    Look("third", "2 3", _DIAMOND),
    Look("fourth", "6 6", _CIRCLE),
)


@dataclass(frozen=True)
class Scale:
    """From values, `low` to `high`, to places of the drawing, `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where `value` lies; on the edge if it is beyond."""
        span = (self.high - self.low) or 1.0
        share = min(1.0, max(0.0, (value - self.low) / span))
        return self.start + share * (self.end - self.start)


def svg(description: str, height: float, body: str) -> str:
    """A drawing of WIDTH and `height`; `description` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(description)}">'
        f"{body}</svg>"
    )


def marker(look: Look, x: float, y: float) -> str:
    """The shape of a look at a place."""
    place = f"translate({x:.1f} {y:.1f})"
    return f'<path class="mark {look.colour}" transform="{place}" d="{look.marker}"/>'


def label(text: str, place: str, room: float = LONGEST_LABEL) -> str:
    """A line of text, cut where there is no room for it; a pointer on it shows the whole."""
    most = max(2, int(room / CHARACTER))
    if len(text) <= most:
        return f"<text {place}>{escape(text)}</text>"
    return f"<text {place}>{escape(text[: most - 1])}…<title>{escape(text)}</title></text>"


def width_of(text: str) -> float:
    """About how wide a label is."""
    return min(LONGEST_LABEL, len(text) * CHARACTER)


def ticks(high: float) -> list[float]:
    """Round values from 0 to `high` or just above it, about NUM_TICKS steps."""
    if not high > 0:
        return [0.0, 1.0]
    rough = high / NUM_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    count = math.ceil(high / step - 1e-9)
    return [step * number for number in range(count + 1)]


def tick_text(value: float) -> str:
    """Without rounding errors and zeros that say nothing."""
    return f"{value:.3g}"


def spread_out(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Places near those that are wanted, in their order, at least `gap` from each other.

    They lie between `top` and `bottom` if there is room for all.
    """
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    placed = list(wanted)
    limit = top
    for number in order:
        placed[number] = max(placed[number], limit)
        limit = placed[number] + gap
    limit = bottom
    for number in reversed(order):
        placed[number] = min(placed[number], limit)
        limit = placed[number] - gap
    return placed
