"""Tables of a page, made here and set by one template, so that all of them sort alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """What stands in one place.

    Attributes:
        text: the main thing.
        value: what it is sorted by; None: it stays at the end.
        note: below it, in small letters.
        is_best: of its column or row.
        heat: of the background, in % of colour.
    """

    text: str
    value: float | None = None
    note: str = ""
    is_best: bool = False
    heat: int = 0


@dataclass(frozen=True)
class Row:
    """One thing that the table is about.

    Attributes:
        name: its heading.
        cells: one a column.
        note: below the name, in small letters.
    """

    name: str
    cells: Sequence[Cell]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows in bodies that are sorted by themselves.

    Attributes:
        name: what a screen reader calls the region.
        caption: what is in it.
        columns: headings, that of the rows' names first.
        bodies: rows, the main ones first.
        is_sortable: whether its order means nothing.
    """

    name: str
    caption: str
    columns: Sequence[str]
    bodies: Sequence[Sequence[Row]]
    is_sortable: bool = field(default=True)
