"""Pairs of a user and an item, with the vectors that a release has for them."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray
from towerflow.retrieval.release import Release
from towerflow.schema import ITEM_ID, USER_ID

CONVERTED: Final = "converted"


@dataclass(frozen=True)
class VectorPairs:
    """Pairs by index into the vectors that they need.

    Attributes:
        table: the rows as they were given, without those of unknown users and items.
        user, item: `[num_pairs]` rows of the vectors.
        converted: `[num_pairs]` the label, if it was asked for.
        user_vectors: `[num_users, dim]`, of the users in the pairs.
        item_vectors: `[num_items, dim]`, of the catalogue.
        num_unknown: rows left out because the release knows their user or item not.
    """

    table: pa.Table
    user: IntArray
    item: IntArray
    converted: NDArray[np.bool_] | None
    user_vectors: Tensor
    item_vectors: Tensor
    num_unknown: int

    def where(self, keep: NDArray[np.bool_]) -> "VectorPairs":
        """Only some of the pairs."""
        return replace(
            self,
            table=self.table.filter(pa.array(keep)),
            user=self.user[keep],
            item=self.item[keep],
            converted=None if self.converted is None else self.converted[keep],
        )

    def vectors(self, pairs: IntArray) -> tuple[Tensor, Tensor]:
        """User and item vectors of `pairs`: `[len(pairs), dim]` each."""
        users, items = torch.from_numpy(self.user[pairs]), torch.from_numpy(self.item[pairs])
        return self.user_vectors[users], self.item_vectors[items]


def read_pairs(release: Release, file: Path, *, labelled: bool) -> VectorPairs:
    """Read a Parquet file with user_id, item_id and, if `labelled`, converted (0 or 1).

    Raises:
        InputError: it is no Parquet file, lacks a column, or no row of it is known to the release.
    """
    columns = [USER_ID, ITEM_ID, *([CONVERTED] if labelled else [])]
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise InputError(file, expected="a Parquet file", found=str(error)) from error
    for name in columns:
        if name not in table.column_names:
            found = ", ".join(table.column_names)
            raise InputError(file, expected=f"a column {name}", found=f"columns {found}")
    users = _ids(file, table, USER_ID)
    item = release.names.ids.positions(_ids(file, table, ITEM_ID))
    distinct = sorted(set(users))
    is_known = release.user_ids.positions(distinct) >= 0
    known_users = list(itertools.compress(distinct, is_known))
    place = {user_id: row for row, user_id in enumerate(known_users)}
    user = np.array([place.get(user_id, -1) for user_id in users], dtype=np.int64)
    known = (user >= 0) & (item >= 0)
    if not known.any():
        raise InputError(
            file, expected="users and items of the release", found=f"none in {len(table):,} rows"
        )
    return VectorPairs(
        table=table.filter(pa.array(known)),
        user=user[known],
        item=item[known],
        converted=_labels(file, table)[known] if labelled else None,
        user_vectors=torch.from_numpy(release.user_vectors(known_users)),
        item_vectors=torch.from_numpy(np.array(release.index.vectors)),
        num_unknown=int((~known).sum()),
    )


def _ids(file: Path, table: pa.Table, column: str) -> list[str]:
    """As text; what is null is nobody's id."""
    if pa.types.is_floating(table[column].type):
        raise InputError(file, field=column, expected="text or integers", found="floats")
    return ["" if value is None else str(value) for value in table[column].to_pylist()]


def _labels(file: Path, table: pa.Table) -> NDArray[np.bool_]:
    values = table[CONVERTED].to_pylist()
    for row, value in enumerate(values, start=1):
        if value not in (0, 1):
            raise InputError(
                file, field=CONVERTED, expected="0 or 1", found=f"{value!r} in row {row}"
            )
    return np.array(values, dtype=bool)
