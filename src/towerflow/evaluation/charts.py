"""Small SVG charts for the report; colours come from the page's style, so they fit dark mode."""

from collections.abc import Callable, Sequence
from html import escape

WIDTH, BAR, GAP, LABEL, VALUE = 640, 22, 8, 150, 70  # pixels of the drawing's own grid


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """Horizontal bars, the first one highlighted; values are written beside them."""
    longest = max((value for _, value in bars), default=0.0) or 1.0
    rows = []
    for row, (label, value) in enumerate(bars):
        top = row * (BAR + GAP)
        length = (WIDTH - LABEL - VALUE) * value / longest
        middle = top + BAR * 0.7
        rows.append(
            f'<text class="label" x="{LABEL - 8}" y="{middle:.1f}">{escape(label)}</text>'
            f'<rect class="{"first" if row == 0 else "other"}" x="{LABEL}" y="{top}" '
            f'width="{length:.1f}" height="{BAR}" rx="3"/>'
            f'<text class="value" x="{LABEL + length + 6:.1f}" y="{middle:.1f}">{value:.4f}</text>'
        )
    spoken = "; ".join(f"{label} {value:.4f}" for label, value in bars)
    return svg(f"{title}: {spoken}", len(bars) * (BAR + GAP), "".join(rows))


def line_chart(
    title: str, values: Sequence[float], best: Callable[[Sequence[float]], float] = max
) -> str:
    """One line over 1, 2, 3 …, with its first, best and last value written beside it."""
    height, left, right, margin = 160, 20, 60, 20
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (WIDTH - left - right) / max(1, len(values) - 1)
    points = [
        (left + i * step, margin + (height - 2 * margin) * (1 - (value - low) / span))
        for i, value in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    at = values.index(best(values))
    marks = "".join(
        f'<circle class="mark" cx="{points[i][0]:.1f}" cy="{points[i][1]:.1f}" r="4"/>'
        f'<text class="value" x="{points[i][0] + 6:.1f}" y="{points[i][1] - 6:.1f}">'
        f"{values[i]:.4f}</text>"
        for i in sorted({0, at, len(values) - 1})
    )
    spoken = (
        f"{title}: from {values[0]:.4f}, best {values[at]:.4f} at {at + 1}, last {values[-1]:.4f}"
    )
    return svg(spoken, height, f'<polyline class="line" points="{path}"/>{marks}')


def svg(description: str, height: int, body: str) -> str:
    """A drawing of WIDTH and `height`; `description` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(description)}">'
        f"{body}</svg>"
    )
