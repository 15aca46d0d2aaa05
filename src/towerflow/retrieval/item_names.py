"""What items of a release are called."""

import difflib
from functools import cached_property
from pathlib import Path
from typing import Self

import pyarrow as pa

from towerflow.errors import InputError
from towerflow.retrieval.sorted_ids import SortedIds, read_table
from towerflow.schema import ITEM_ID, TITLE


class ItemNames:
    """Ids and titles; position = item_index."""

    def __init__(self, ids: SortedIds, titles: pa.ChunkedArray) -> None:
        self.ids = ids
        self._titles = titles

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those of `items.parquet`.

        Raises:
            InputError: it is damaged.
        """
        table = read_table(path, [ITEM_ID, TITLE])
        return cls(SortedIds(path, table[ITEM_ID]), table[TITLE])

    def title(self, item: int) -> str:
        """Title of the item of that index."""
        return str(self._titles[item].as_py())

    def find(self, name: str) -> int:
        """Index of the item with this id, or else this title in any case, or the start of one.

        Raises:
            InputError: there is none, or several; names the closest titles.
        """
        if (position := self.ids.find(name)) >= 0:
            return position
        wanted = name.casefold()
        matches = [index for index, title in enumerate(self._folded) if title == wanted]
        if not matches:  # "Toy Story" is enough if only one title begins so
            matches = [
                index for index, title in enumerate(self._folded) if title.startswith(wanted)
            ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            found = "; ".join(f"{self.title(item)} ({self.ids[item]})" for item in matches[:5])
            raise InputError(
                f"item '{name}'", expected="one item", found=f"{len(matches)}: {found}"
            )
        close = difflib.get_close_matches(wanted, self._folded, n=3, cutoff=0.5)
        hint = "; ".join(self.title(self._folded.index(title)) for title in close)
        raise InputError(
            f"item '{name}'",
            expected="an item id or a title of this release",
            found="none like it",
            hint=f"did you mean: {hint}?" if hint else "",
        )

    @cached_property
    def _folded(self) -> list[str]:
        return [title.casefold() for title in self._titles.to_pylist()]
