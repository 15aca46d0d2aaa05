"""What a drawing holds, read back from its text."""

import re
from html import unescape

Place = tuple[float, float]


def lines(svg: str) -> list[list[Place]]:
    """The places of each line."""
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]
        for line in re.findall(r'<polyline[^>]*points="([^"]*)"', svg)
    ]


def marks(svg: str, colour: str = "") -> list[Place]:
    """The places of markers, of one colour if it is given."""
    found = re.findall(
        r'<path class="(?:mark|hollow) (\w+)" transform="translate\((\S+) (\S+)\)', svg
    )
    return [(float(x), float(y)) for of, x, y in found if colour in ("", of)]


def texts(svg: str) -> list[str]:
    """What is written, without what only a pointer shows."""
    return [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)<", svg)]


def spoken(svg: str) -> str:
    """What a screen reader says."""
    (said,) = re.findall(r'role="img" aria-label="([^"]*)"', svg)
    return unescape(said)
