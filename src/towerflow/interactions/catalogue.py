"""What the workers on interactions must know of all checked items."""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from towerflow import schema
from towerflow.interactions.filters import BoolArray
from towerflow.interactions.hashing import UnsignedArray, hash_ids
from towerflow.interactions.histories import IntArray
from towerflow.storage.filesystems import read_parquet, write_parquet


class CatalogueScope(StrEnum):
    """Which items stay in the catalogue."""

    ALL = "all"
    INTERACTED = "interacted"


def write_catalogue(path: str, item_ids: pa.Array, alive: BoolArray, kept: BoolArray) -> None:
    """What workers must know of all checked items.

    Args:
        path: in the workspace.
        item_ids: `[num_items]`.
        alive: `[num_items]` whether the item's events are kept.
        kept: `[num_items]` whether the item stays in the catalogue; the dead may.
    """
    index = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int64)
    columns = {schema.ITEM_ID: item_ids, "alive": alive, schema.ITEM_INDEX: index}
    write_parquet(path, pa.table(columns))


class Catalogue(NamedTuple):
    """`[num_items]` of all checked items: see `write_catalogue`."""

    item_hash: UnsignedArray
    alive: BoolArray
    position: IntArray


@lru_cache(maxsize=1)
def read_catalogue(path: str) -> Catalogue:
    """Read what `write_catalogue` wrote, once a worker."""
    table = read_parquet(path)
    return Catalogue(
        hash_ids(table[schema.ITEM_ID].combine_chunks()),
        table["alive"].to_numpy(),
        table[schema.ITEM_INDEX].to_numpy(),
    )
