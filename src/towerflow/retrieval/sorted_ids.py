"""Ids in the order of their bytes, found by bisection: a million need no table to be built."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.retrieval.item_index import IntArray


class SortedIds(Sequence[str]):
    """Ids of items or users; position = index.

    Args:
        where: the file that they are from.
        ids: one column.

    Raises:
        InputError: they are not in order, or one stands there twice.
    """

    def __init__(self, where: object, ids: pa.ChunkedArray) -> None:
        self._ids = pa.array([], pa.string()) if not len(ids) else ids.combine_chunks()
        in_order = pc.all(pc.less(self._ids[:-1], self._ids[1:])).as_py()
        if self._ids.null_count or in_order is False:
            raise InputError(where, expected="ids in order, each once", found="others")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ids)

    def __getitem__(self, position):  # type: ignore[no-untyped-def]
        """The id at `position`, or those of a slice."""
        if isinstance(position, slice):
            return self._ids[position].to_pylist()
        return self._ids[int(position)].as_py()

    def find(self, wanted: str) -> int:
        """Position of `wanted`, -1 where it isn't."""
        # No id of ours has half a character, but JSON from outside may.
        place = bisect_left(self, wanted.encode(errors="surrogatepass"), key=str.encode)
        return place if place < len(self) and self[place] == wanted else -1

    def positions(self, wanted: Iterable[str]) -> IntArray:
        """Position of each, -1 where it isn't."""
        whole = [one.encode(errors="replace").decode() for one in wanted]
        found = pc.index_in(pa.array(whole, pa.string()), value_set=self._ids)
        positions: IntArray = pc.fill_null(found, -1).to_numpy().astype(np.int64)
        return positions


def read_table(path: object, columns: Sequence[str]) -> pa.Table:
    """Some columns of a Parquet file of a release.

    Raises:
        InputError: it is none, or lacks a column.
    """
    try:
        return pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(
            path, expected=f"columns {', '.join(columns)}", found=str(error)
        ) from error
