"""The Dataset artifact in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from towerflow import schema
from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.schema import ArtifactKind, Manifest, Split
from towerflow.storage.artifact import open_artifact

ITEMS_FILE = "items.parquet"
INTERACTIONS_FILE = "interactions.parquet"


@dataclass(frozen=True)
class Dataset:
    """Items and time-ordered interactions, by index.

    Attributes:
        manifest: of the artifact.
        item_ids, titles, texts: `[num_items]`, position = item_index.
        user_ids: `[num_users]`, position = user_index.
        user_index, item_index, timestamp, split: `[num_interactions]`, ordered by user, then time.
        item_columns: by the user's name of a column to slice by, `[num_items]` values; None: none.
        event_columns: the same of interactions, `[num_interactions]`.
    """

    manifest: Manifest
    item_ids: list[str]
    titles: list[str]
    texts: list[str]
    user_ids: list[str]
    user_index: IntArray
    item_index: IntArray
    timestamp: NDArray[np.float64]
    split: NDArray[np.object_]
    item_columns: dict[str, list[str | None]]
    event_columns: dict[str, list[str | None]]

    @classmethod
    def open(cls, path: Path) -> "Dataset":
        """Read and check the artifact at `path`.

        Raises:
            InputError: the artifact is missing, damaged or of another kind.
        """
        manifest = open_artifact(path, ArtifactKind.DATASET)
        items = _read(path / ITEMS_FILE, schema.ITEMS_SCHEMA)
        events = _read(path / INTERACTIONS_FILE, schema.INTERACTIONS_SCHEMA)
        user_index = _integers(events, schema.USER_INDEX)
        first_event = np.unique(user_index, return_index=True)[1]
        return cls(
            manifest=manifest,
            item_ids=items[schema.ITEM_ID].to_pylist(),
            titles=items[schema.TITLE].to_pylist(),
            texts=items[schema.TEXT].to_pylist(),
            user_ids=events[schema.USER_ID].take(pa.array(first_event)).to_pylist(),
            user_index=user_index,
            item_index=_integers(events, schema.ITEM_INDEX),
            timestamp=events[schema.TIMESTAMP].to_numpy(),
            split=events[schema.SPLIT].to_numpy(),
            item_columns=_slices(items),
            event_columns=_slices(events),
        )

    @property
    def content_hash(self) -> str:
        """Of the artifact."""
        return self.manifest.content_hash

    @property
    def split_kind(self) -> str:
        """The rule by which it was split."""
        split = self.manifest.details["split"]
        assert isinstance(split, dict), "written by preprocess"
        return str(split["kind"])

    @property
    def num_items(self) -> int:
        """Size of the catalogue."""
        return len(self.item_ids)

    @property
    def num_users(self) -> int:
        """Number of users with at least one interaction."""
        return len(self.user_ids)

    @property
    def has_text(self) -> NDArray[np.bool_]:
        """`[num_items]` whether there is anything for the LLM to read."""
        return np.array([bool(text) for text in self.texts], dtype=bool)

    def lists(self, *splits: Split) -> ItemLists:
        """Per user, the items of these splits, oldest first; users without any have none."""
        keep = np.isin(self.split, [split.value for split in splits])
        return ItemLists.from_events(self.user_index[keep], self.item_index[keep], self.num_users)


def read_items(path: Path, columns: Sequence[str]) -> tuple[Manifest, pa.Table]:
    """Manifest and some columns of the items of the Dataset at `path`, without interactions.

    Raises:
        InputError: the artifact is missing, damaged or of another kind.
    """
    manifest = open_artifact(path, ArtifactKind.DATASET)
    return manifest, pq.read_table(path / ITEMS_FILE, columns=list(columns))


def _read(path: Path, columns: pa.Schema) -> pa.Table:
    return pq.read_table(path, schema=schema.with_slices(columns, pq.read_schema(path).names))


def _slices(table: pa.Table) -> dict[str, list[str | None]]:
    return {
        name.removeprefix(schema.SLICE_PREFIX): _texts(table[name])
        for name in schema.slices_of(table.column_names)
    }


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """The values, equal ones as one object: a log has millions of rows, and few countries."""
    coded = column.dictionary_encode().combine_chunks()
    distinct = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    texts: list[str | None] = distinct[coded.indices.fill_null(-1).to_numpy()].tolist()
    return texts


def _integers(table: pa.Table, column: str) -> IntArray:
    values: IntArray = table[column].to_numpy()
    return values
