"""The content-addressed embedding store: a text is embedded once, whoever asks.

Layout, in a local folder or gs://:

    <root>/<fingerprint of the encoder>/encoder.json     what the fingerprint stands for
    <root>/<fingerprint of the encoder>/<part>.parquet   key (sorted), embedding

A part is written whole under the hash of its keys and never changed, so that any number of
writers need not know of one another, and one that is killed leaves nothing or a whole part.
The key columns are the index: a lookup reads them all, and of embeddings only what it wants.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.storage.filesystems import (
    FoundFile,
    is_remote,
    match_files,
    open_binary,
    write_bytes,
)

KEY: Final = "key"
EMBEDDING: Final = "embedding"
KEY_TYPE: Final = pa.binary(16)
PART_SUFFIX: Final = ".parquet"
ENCODER_FILE: Final = "encoder.json"
_READERS: Final = 16  # of key columns at once: a remote store answers slowly, but to many
_TRIES: Final = 3  # without progress: a compaction may take parts away while they are read

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def text_keys(texts: Iterable[str]) -> pa.Array:
    """Key of each text in the part of the store that belongs to one encoder (`KEY_TYPE`)."""
    return pa.array((hashlib.sha256(text.encode()).digest()[:16] for text in texts), KEY_TYPE)


@dataclass(frozen=True)
class Location:
    """Where keys are: `part[i]` is a position in `parts`, `row[i]` a row there; -1: nowhere."""

    parts: list[FoundFile]
    part: Rows
    row: Rows

    @property
    def is_stored(self) -> NDArray[np.bool_]:
        """Whether the store has each key."""
        return self.part >= 0


class EmbeddingStore:
    """Embeddings of one frozen encoder, by text.

    Args:
        root: folder of the store, local or gs://; made when first written to.
        encoder: whose embeddings they are.
    """

    def __init__(self, root: str, encoder: EncoderRecord) -> None:
        self.encoder = encoder
        self.folder = f"{root.rstrip('/')}/{encoder.fingerprint}"

    def parts(self) -> list[FoundFile]:
        """All parts, in order of their names."""
        return [file for file in match_files(self.folder) if file.name.endswith(PART_SUFFIX)]

    def locate(self, keys: pa.Array) -> Location:
        """Where each of `keys` is; of several parts that have it, in the first.

        Raises:
            InputError: a part is damaged.
        """
        parts, columns = self.key_columns()
        sizes = np.array([len(column) for column in columns], np.int64)
        stored = pa.chunked_array(columns, KEY_TYPE)
        found = pc.fill_null(pc.index_in(keys, value_set=stored), -1)
        position = found.to_numpy(zero_copy_only=False).astype(np.int64)
        ends = sizes.cumsum()
        part = np.searchsorted(ends, position, side="right")
        begins = np.concatenate([np.zeros(1, np.int64), ends])
        missing = position < 0
        row = position - begins[np.where(missing, 0, part)]
        return Location(parts, np.where(missing, -1, part), np.where(missing, -1, row))

    def read(self, where: Location) -> Iterator[tuple[Rows, Floats]]:
        """Positions in the keys that were located, and their embeddings, a part at a time.

        Raises:
            InputError: a part is damaged.
        """
        order = np.argsort(where.part, kind="stable")
        bounds = np.searchsorted(where.part[order], np.arange(len(where.parts) + 1))
        for number, file in enumerate(where.parts):
            positions = order[bounds[number] : bounds[number + 1]]
            if len(positions):
                yield positions, read_part(file.path)[1][where.row[positions]]

    def fetch(self, keys: pa.Array) -> Iterator[tuple[Rows, Floats]]:
        """`read` of what `locate` finds: positions in `keys`, each stored one once."""
        pending, tries = np.ones(len(keys), bool), _TRIES
        while True:
            wanted = np.flatnonzero(pending)
            try:
                for positions, embeddings in self.read(self.locate(keys.take(pa.array(wanted)))):
                    pending[wanted[positions]] = False
                    tries = _TRIES
                    yield wanted[positions], embeddings
                return
            except FileNotFoundError:
                tries -= 1
                if not tries:
                    raise

    def add(self, keys: pa.Array, embeddings: Floats) -> None:
        """Store `embeddings` `[len(keys), embedding_dim]`, all or nothing."""
        write_part(self.folder, keys, embeddings)

    def describe(self) -> None:
        """Leave beside the parts what their fingerprint stands for."""
        path = f"{self.folder}/{ENCODER_FILE}"
        if not match_files(path):
            write_bytes(path, f"{self.encoder.model_dump_json(indent=2)}\n".encode())

    def key_columns(self) -> tuple[list[FoundFile], list[pa.Array]]:
        """All parts, and the keys of each."""
        for last in reversed(range(_TRIES)):
            try:
                parts = self.parts()
                with ThreadPoolExecutor(_READERS) as pool:
                    return parts, list(pool.map(_read_keys, parts))
            except FileNotFoundError:
                if not last:
                    raise
        raise AssertionError("tried at least once")


def write_part(folder: str, keys: pa.Array, embeddings: Floats) -> str:
    """Write a part, sorted by key; returns its path."""
    order = pc.sort_indices(keys)
    keys = keys.take(order)
    ordered = embeddings[order.to_numpy()].astype(np.float32, copy=False)
    values = pa.FixedSizeListArray.from_arrays(pa.array(ordered.reshape(-1)), ordered.shape[1])
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({KEY: keys, EMBEDDING: values}),
        sink,
        compression="none",  # neither hashes nor states of a network get smaller
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    path = f"{folder}/{part_name(keys)}"
    write_bytes(path, sink.getvalue())
    return path


def part_name(keys: pa.Array) -> str:
    """Name of the part that has these `keys`, sorted."""
    digest = hashlib.sha256()
    for key in keys:
        digest.update(key.as_py())
    return f"{digest.hexdigest()[:32]}{PART_SUFFIX}"


def read_part(path: str) -> tuple[pa.Array, Floats]:
    """Keys and embeddings `[num_rows, embedding_dim]` of a part.

    Raises:
        InputError: it is damaged.
        FileNotFoundError: it is gone.
    """
    table = _read(path, [KEY, EMBEDDING])
    column = table[EMBEDDING].combine_chunks()
    width = column.type.list_size
    return table[KEY].combine_chunks(), column.flatten().to_numpy().reshape(-1, width)


def _read_keys(file: FoundFile) -> pa.Array:
    return _read(file.path, [KEY])[KEY].combine_chunks()


def _read(path: str, columns: Sequence[str]) -> pa.Table:
    try:
        with open_binary(path) as file:
            source = pa.PythonFile(file, mode="r") if is_remote(path) else file
            return pq.read_table(
                source, columns=list(columns), page_checksum_verification=True, pre_buffer=False
            )
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError) as error:
        raise InputError(
            path,
            expected="a part of the embedding store",
            found=str(error),
            hint="delete the file and what it held is embedded again",
        ) from error
