"""Files wherever they lie: local paths, gs://, and s3:// or minio://.

A path picks its store; what all of them promise stands in `object_store`.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.storage.local_store import LocalStore
from towerflow.storage.matching import WILDCARDS, name_matches
from towerflow.storage.object_store import FoundFile, ObjectStore, Versioned
from towerflow.storage.remote_store import RemoteStore
from towerflow.storage.retrying import RetryPolicy

__all__ = [
    "WILDCARDS",
    "FoundFile",
    "absolute",
    "checksum",
    "content_version",
    "delete_files",
    "delete_folder",
    "exists",
    "is_remote",
    "match_files",
    "name_matches",
    "open_binary",
    "read_parquet",
    "read_versioned",
    "size",
    "store_of",
    "write_bytes",
    "write_if",
    "write_parquet",
]

SMALL: Final = 64 * 2**20  # bytes that are read as one, if the caller says nothing else
# Clients read these when they are made, so that another value means another client. Nothing here
# looks at what they say.
_READ_BY_CLIENTS: Final = (
    "STORAGE_EMULATOR_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
)


def is_remote(path: str) -> bool:
    """Whether `path` names a store rather than the local disk."""
    return "://" in path


def absolute(path: str) -> str:
    """A local path made independent of the working directory; a remote one as it is."""
    return path if is_remote(path) else str(Path(path).absolute())


def store_of(path: str) -> ObjectStore:
    """The store that `path` lies in.

    Raises:
        InputError: there is none of that scheme, or what it needs is missing.
    """
    if not is_remote(path):
        return LocalStore()
    environment = tuple(os.environ.get(name) for name in _READ_BY_CLIENTS)
    # A client's connections don't survive a fork.
    return _remote_store(path.partition("://")[0], os.getpid(), environment)


def match_files(source: str) -> list[FoundFile]:
    """Files that `source` means, in order of their names: a file, a folder or a glob.

    Hidden and temporary ones (a name that starts with a dot or an underscore) are left out.
    """
    return store_of(source).find(source)


def exists(path: str) -> bool:
    """Whether there is a file at `path`."""
    return size(path) is not None


def size(path: str) -> int | None:
    """Bytes of the file at `path`, None if there is none."""
    return store_of(path).size(path)


def open_binary(path: str) -> IO[bytes]:
    """Open a file for reading, as the bytes that it has: one generation, seekable.

    Raises:
        FileNotFoundError: it isn't there; also later, if it is removed while it is read.
        StorageError: on reading: it is replaced meanwhile, or its checksum is wrong.
    """
    return store_of(path).open(path)


def read_versioned(path: str, *, max_bytes: int = SMALL) -> Versioned:
    """A whole small file and its generation; no bytes and ABSENT if it isn't there.

    Raises:
        InputError: it is larger than `max_bytes`.
    """
    return store_of(path).read(path, max_bytes)


def write_bytes(path: str, content: bytes | pa.Buffer) -> None:
    """Write a whole file, or none."""
    store_of(path).write(path, content)


def write_if(path: str, content: bytes, generation: str) -> str:
    """Write a whole file if it is still of `generation`, ABSENT for none; its new generation.

    A write whose answer is lost is looked for before it is called a conflict. What others do with
    `write_bytes` to a local file at the same moment may be overwritten.

    Raises:
        Conflict: somebody else wrote it meanwhile.
    """
    return store_of(path).write_if(path, content, generation)


def delete_files(paths: Sequence[str]) -> None:
    """Remove files; one that is gone already is no error."""
    for path in paths:
        store_of(path).delete(path)


def delete_folder(path: str) -> None:
    """Remove a folder with all that is in it."""
    store_of(path).delete_folder(path)


def write_parquet(path: str, table: pa.Table) -> None:
    """Write `table`, whole or not at all."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="lz4")
    if is_remote(path):
        write_bytes(path, buffer.getvalue())
        return
    # Intermediate results that are made again if lost: not worth waiting for the disk.
    draft = Path(f"{path}.part")
    draft.write_bytes(buffer.getbuffer())
    draft.replace(path)


def read_parquet(path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file that `write_parquet` wrote."""
    with open_binary(path) as file:
        return pq.read_table(pa.BufferReader(file.read()), columns=columns)


def content_version(*sources: str) -> str:
    """One hash over the content of sources, whatever their files are called or dated.

    KFP caches by artifact name, not by content; this is what tells it that a source has changed.
    Remote files are known by the checksum that their store keeps.
    """
    digest = hashlib.sha256()
    for source in sources:
        files = match_files(source)
        for hashed in sorted(map(checksum, files)):
            digest.update(hashed.encode())
        digest.update(b"|")
    return digest.hexdigest()[:16]


def checksum(file: FoundFile) -> str:
    """Tells a file's content from another's; of a remote one what its store keeps."""
    return store_of(file.path).checksum(file)


@lru_cache(maxsize=16)
def _remote_store(scheme: str, process: int, environment: tuple[str | None, ...]) -> RemoteStore:
    """Clients are imported when needed, since that takes a while and not everyone has all."""
    policy = RetryPolicy()
    if scheme == "gs":
        from towerflow.storage.gcs import GcsRequests

        return RemoteStore(GcsRequests(policy), policy)
    if scheme in ("s3", "minio"):
        try:
            from towerflow.storage.s3 import S3Requests
        except ImportError as error:
            raise InputError(
                f"{scheme}://",
                expected="the package s3fs",
                found="none",
                hint="pip install 'towerflow[s3]'",
            ) from error
        return RemoteStore(S3Requests(scheme, policy), policy)
    raise InputError(
        f"{scheme}://", expected="a local path, gs://, s3:// or minio://", found=f"'{scheme}'"
    )
