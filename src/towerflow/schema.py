"""The contracts between steps: column names, Arrow schemas and artifact manifests.

Every artifact is a folder with a `manifest.json`; `docs/data-contracts.md` describes each kind.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, JsonValue

SCHEMA_VERSION: Final = 2  # 1 had no manifest_hash
MANIFEST_FILE: Final = "manifest.json"

ITEM_ID: Final = "item_id"
ITEM_INDEX: Final = "item_index"
USER_ID: Final = "user_id"
USER_INDEX: Final = "user_index"
TIMESTAMP: Final = "timestamp"
RATING: Final = "rating"
SPLIT: Final = "split"
TITLE: Final = "title"
BRAND: Final = "brand"
CATEGORIES: Final = "categories"
DESCRIPTION: Final = "description"
TEXT: Final = "text"
FILE: Final = "file"
ROW: Final = "row"
REASON: Final = "reason"
RAW: Final = "raw"
TOOK: Final = "took"  # in a manifest's details: durations, which differ from run to run

TEXT_FIELDS: Final = (TITLE, BRAND, CATEGORIES, DESCRIPTION)


class Split(StrEnum):
    """What an interaction may be used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


ITEMS_SCHEMA: Final = pa.schema(
    [
        pa.field(ITEM_INDEX, pa.int64(), nullable=False),  # 0 … num_items-1, in order of item_id
        pa.field(ITEM_ID, pa.string(), nullable=False),
        pa.field(TITLE, pa.string(), nullable=False),  # for people; falls back to the text
        pa.field(TEXT, pa.string(), nullable=False),  # for the LLM
    ]
)

INTERACTIONS_SCHEMA: Final = pa.schema(
    [
        pa.field(USER_INDEX, pa.int64(), nullable=False),  # 0 … num_users-1, in order of a hash
        pa.field(USER_ID, pa.string(), nullable=False),
        pa.field(ITEM_INDEX, pa.int64(), nullable=False),
        pa.field(TIMESTAMP, pa.float64(), nullable=False),  # number as given; dates: Unix seconds
        pa.field(SPLIT, pa.string(), nullable=False),
    ]
)

REJECTED_SCHEMA: Final = pa.schema(
    [
        pa.field(FILE, pa.string(), nullable=False),
        pa.field(ROW, pa.int64(), nullable=False),  # 1 = first row of data in the file
        pa.field(ITEM_ID, pa.string()),  # null where the row has none
        pa.field(REASON, pa.string(), nullable=False),
        pa.field(RAW, pa.string(), nullable=False),  # the row as JSON, cut to RAW_LIMIT
    ]
)
RAW_LIMIT: Final = 1000  # characters

# Before the name of a column that is carried through for slices: no name of ours has a colon.
SLICE_PREFIX: Final = "slice:"
SLICE_LIMIT: Final = 100  # characters of a value
REJECTED_FILE: Final = "rejected.parquet"


def slices_of(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names`, prefix included, that are columns carried through for slices."""
    return tuple(name for name in names if name.startswith(SLICE_PREFIX))


def with_slices(columns: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """`columns` and a nullable string for each of `names` that is carried through for slices."""
    return pa.schema([*columns, *(pa.field(name, pa.string()) for name in slices_of(names))])


class ArtifactKind(StrEnum):
    """What an artifact folder holds."""

    DATASET = "dataset"
    REJECTED = "rejected"
    ITEM_EMBEDDINGS = "item_embeddings"
    RETRIEVAL_MODEL = "retrieval_model"
    METRICS = "metrics"
    COMPARISON = "comparison"
    DECISION = "decision"
    INDEX = "index"
    RELEASE = "release"
    RANKING_ADAPTOR = "ranking_adaptor"


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(description="Size in bytes.")
    sha256: str = Field(description="Hex digest of the content.")


class Manifest(BaseModel):
    """What an artifact is, what made it, from what, and the hash of every file in it.

    Holds no clock time and no path, so equal inputs give an equal manifest, but for how long
    embedding and training took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(description="Version of this contract.")
    kind: ArtifactKind
    step: str = Field(description="The step that made the artifact.")
    towerflow: str = Field(description="Version of Towerflow that made it.")
    counts: dict[str, int] = Field(description="Row counts by name.")
    details: dict[str, JsonValue] = Field(description="Parameters and findings of the step.")
    inputs: dict[str, str] = Field(description="Content hash of each artifact that was read.")
    files: dict[str, FileEntry] = Field(description="Every file but the manifest, by name.")
    content_hash: str = Field(description="sha256 over the names and hashes of all files.")
    manifest_hash: str = Field(description="sha256 over all the other fields of this manifest.")
