"""How the files of a source are written, and which of their columns are ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from towerflow import schema
from towerflow.errors import InputError

JOINED: Final = "+"  # title=name+subtitle
EVENT_COLUMNS: Final = (schema.USER_ID, schema.ITEM_ID, schema.TIMESTAMP, schema.RATING)

_RESERVED: Final = frozenset({schema.FILE, schema.ROW, schema.RAW, "problem"})


@dataclass(frozen=True)
class Layout:
    """What a file's ending does not tell.

    Attributes:
        columns: our name → the file's names, whose values are joined; a dot goes into an object.
        files: if not empty, of the files of a folder only those of these names (with wildcards).
        format: "" as the ending says, or "jsonl", "csv", "delimited", "python" (a dict a line).
        delimiter: between the fields of "delimited" files, which know no quotes.
        header: column names of files whose first row is data already.
        flags: columns that hold 0 or 1; the names of those with 1 make our column `categories`.
        encoding: of text files.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    format: str = ""
    delimiter: str = "\t"
    header: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    encoding: str = "utf-8"

    def sources(self, column: str) -> tuple[str, ...]:
        """The file's names of our `column`."""
        return self.columns.get(column, (column,))


def parse_columns(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`["item_id=asin", "description=description+feature"]` as a mapping.

    >>> parse_columns(["item_id=asin", "summary=title+details.Brand"])
    {'item_id': ('asin',), 'summary': ('title', 'details.Brand')}

    Raises:
        InputError: an entry is no pair, or a column is given twice.
    """
    mapped: dict[str, tuple[str, ...]] = {}
    for entry in columns:
        ours, equals, theirs = (part.strip() for part in entry.partition("="))
        names = tuple(name.strip() for name in theirs.split(JOINED))
        if not ours or not equals or not all(names):
            raise InputError(
                "column", expected="our name=the file's, as in item_id=asin", found=f"'{entry}'"
            )
        if ours in _RESERVED:
            raise InputError("column", expected="another name than our own", found=f"'{ours}'")
        if ours in mapped:
            raise InputError("column", field=ours, expected="one mapping", found="two")
        mapped[ours] = names
    return mapped
