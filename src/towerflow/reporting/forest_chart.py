"""Point and interval of each slice, one below the other: a forest plot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from towerflow.reporting.charts import (
    LOOKS,
    WIDTH,
    Scale,
    label,
    marker,
    svg,
    tick_text,
)

LEFT, RIGHT, TOP, ROW, BOTTOM = 132, 66, 8, 28, 30
OWN, OTHER = LOOKS[0], LOOKS[1]
END: Final = 5  # half the height of an interval's end


@dataclass(frozen=True)
class ForestRow:
    """One slice: value and interval of the model, and the champion's value if there is one."""

    name: str
    value: float
    low: float
    high: float
    other: float | None = None


def forest_chart(title: str, rows: Sequence[ForestRow], axis: Sequence[float], mean: float) -> str:
    """Rows over an axis that several charts may share.

    Args:
        title: what is drawn.
        rows: from the top down.
        axis: ticks from 0 up; the last one is the end.
        mean: of the whole test, a line through all rows.
    """
    bottom = TOP + ROW * len(rows)
    across = Scale(0.0, axis[-1], LEFT, WIDTH - RIGHT)
    body = [*_grid(across, axis, mean, bottom)]
    for number, row in enumerate(rows):
        body += _row(row, across, TOP + ROW * (number + 0.5))
    spoken = "; ".join(map(_spoken, rows))
    return svg(
        f"{title}. {spoken}; mean of the whole test {mean:.4f}", bottom + BOTTOM, "".join(body)
    )


def _spoken(row: ForestRow) -> str:
    other = "" if row.other is None else f", champion {row.other:.4f}"
    return f"{row.name} {row.value:.4f} (95 %: {row.low:.4f} to {row.high:.4f}){other}"


def _grid(across: Scale, axis: Sequence[float], mean: float, bottom: float) -> Iterator[str]:
    for value in axis:
        x = across.at(value)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{bottom:.1f}"/>'
        place = f'x="{x:.1f}" y="{bottom + 18:.1f}"'
        yield f'<text class="middle tick" {place}>{tick_text(value)}</text>'
    yield f'<path class="mean" d="M{across.at(mean):.1f} {TOP}V{bottom:.1f}"/>'


def _row(row: ForestRow, across: Scale, y: float) -> Iterator[str]:
    low, high = across.at(row.low), across.at(row.high)
    # What goes on beyond the axis ends in an arrow.
    end = (
        f"m-{END} {-END}l{END} {END}l-{END} {END}"
        if row.high > across.high
        else (f"m0 {-END}v{2 * END}")
    )
    yield label(row.name, f'class="label" x="{LEFT - 10}" y="{y + 4:.1f}"', LEFT - 14)
    yield (
        f'<path class="line {OWN.colour}" d="M{low:.1f} {y - END:.1f}v{2 * END}m0 {-END}'
        f'H{high:.1f}{end}"/>'
    )
    if row.other is not None:
        yield marker(OTHER, across.at(row.other), y).replace('class="mark', 'class="hollow')
    yield marker(OWN, across.at(row.value), y)
    yield f'<text class="label" x="{WIDTH - 4}" y="{y + 4:.1f}">{row.value:.4f}</text>'
