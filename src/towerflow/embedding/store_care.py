"""Looking after an embedding store: what is in it, whether it is whole, and fewer, larger parts."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from towerflow.embedding.settings import EncoderRecord
from towerflow.embedding.store import (
    ENCODER_FILE,
    KEY_TYPE,
    EmbeddingStore,
    Floats,
    part_name,
    read_part,
    write_part,
)
from towerflow.errors import InputError
from towerflow.storage.filesystems import (
    FoundFile,
    delete_files,
    match_files,
    open_binary,
)

PART_BYTES: Final = 512 * 2**20  # of a compacted part: one is in memory at a time


@dataclass(frozen=True)
class Stats:
    """What one encoder has in the store.

    Attributes:
        encoder: whose embeddings they are.
        texts: distinct ones.
        doubled: rows more than texts; `compact` takes them away.
        parts: number of files.
        bytes: of all of them.
    """

    encoder: EncoderRecord
    texts: int
    doubled: int
    parts: int
    bytes: int


def stores(root: str) -> list[EmbeddingStore]:
    """The part of the store of each encoder, in order of their fingerprints.

    Raises:
        InputError: there is no store at `root`.
    """
    described = [file for file in match_files(root) if file.name == ENCODER_FILE]
    if not described:
        raise InputError(root, expected="an embedding store", found="none")
    return [EmbeddingStore(root, _read_record(file.path)) for file in described]


def stats(store: EmbeddingStore) -> Stats:
    """Count texts, rows and files of one encoder."""
    parts, columns = store.key_columns()
    keys = pa.chunked_array(columns, KEY_TYPE)
    texts = pc.count_distinct(keys).as_py()
    return Stats(
        encoder=store.encoder,
        texts=texts,
        doubled=len(keys) - texts,
        parts=len(parts),
        bytes=sum(file.bytes for file in parts),
    )


def verify(store: EmbeddingStore) -> list[str]:
    """A sentence for each part that is damaged, misnamed, or holds what no encoder gives."""
    found = []
    widths: dict[int, str] = {}
    for file in store.parts():
        try:
            keys, embeddings = read_part(file.path)
        except FileNotFoundError:  # a compaction took it away
            continue
        except InputError as error:
            found.append(str(error))
            continue
        if file.name != part_name(keys):
            found.append(f"{file.path}: its name is not the hash of its keys.")
        widths.setdefault(embeddings.shape[1], file.path)
        if len(set(keys.to_pylist())) != len(keys):
            found.append(f"{file.path}: a key stands in it twice.")
        if not np.isfinite(embeddings).all() or not embeddings.any(axis=1).all():
            found.append(f"{file.path}: it holds NaN, infinity or zeros.")
    if len(widths) > 1:
        lengths = ", ".join(f"{width} in {path}" for width, path in widths.items())
        found.append(f"{store.folder}: embeddings of different lengths: {lengths}.")
    return found


def compact(store: EmbeddingStore) -> Iterator[str]:
    """Write few large parts instead of many small ones, each text once.

    Safe beside readers and writers, and if it is killed: a part is only deleted when all it has
    stands in a new one; a reader that finds a part gone looks again. Not safe beside another
    compaction.

    Yields:
        A line for each new part, when it is done.
    """
    parts = store.parts()
    seen: set[bytes] = set()
    made: set[str] = set()  # may have the name of a part of a later group
    for group in _groups(parts):
        keys, embeddings = _merged([file.path for file in group], seen)
        num_parts = 0
        if len(keys):
            made.add(write_part(store.folder, keys, embeddings))
            num_parts = 1
        delete_files([file.path for file in group if file.path not in made])
        yield f"{len(group)} parts became {num_parts}, {len(keys):,} texts"


def _groups(parts: Sequence[FoundFile]) -> Iterator[list[FoundFile]]:
    group: list[FoundFile] = []
    for file in parts:
        if group and sum(member.bytes for member in group) + file.bytes > PART_BYTES:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def _merged(paths: Sequence[str], seen: set[bytes]) -> tuple[pa.Array, Floats]:
    """Keys and embeddings of all `paths` but for keys `seen` before, which is added to."""
    all_keys, all_embeddings = [], []
    for path in paths:
        keys, embeddings = read_part(path)
        listed = keys.to_pylist()
        kept = np.array([key not in seen for key in listed], bool)
        seen.update(listed)
        all_keys.append(keys.filter(pa.array(kept)))
        all_embeddings.append(embeddings[kept])
    return pa.concat_arrays(all_keys), np.concatenate(all_embeddings)


def _read_record(path: str) -> EncoderRecord:
    try:
        with open_binary(path) as file:
            return EncoderRecord.model_validate(json.loads(file.read()))
    except (ValueError, ValidationError) as error:
        raise InputError(path, expected="what a fingerprint stands for", found="other") from error
