"""Files wherever they lie: local paths and the stores that Beam knows (gs://, s3://)."""

import fnmatch
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow.storage.files import files_under, new_file, sha256

WILDCARDS = "*?["


@dataclass(frozen=True)
class FoundFile:
    """A file and its size in bytes."""

    path: str
    bytes: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


def is_remote(path: str) -> bool:
    """Whether `path` names a store rather than the local disk."""
    return "://" in path


def absolute(path: str) -> str:
    """A local path made independent of the working directory; a remote one as it is."""
    return path if is_remote(path) else str(Path(path).absolute())


def match_files(source: str) -> list[FoundFile]:
    """Files that `source` means, in order of their names: a file, a folder or a glob.

    Hidden and temporary ones (a name that starts with a dot or an underscore) are left out.
    """
    if not is_remote(source):
        return _match_local(source)
    root = source.rstrip("/")
    for pattern in (source,) if _has_wildcard(source) else (root, f"{root}/**"):
        [match] = _stores().match([pattern])
        found = [FoundFile(data.path, data.size_in_bytes) for data in match.metadata_list]
        visible = [file for file in found if file.name and file.name[0] not in "._"]
        if visible:
            return sorted(visible, key=lambda file: file.path)
    return []


def open_binary(path: str) -> IO[bytes]:
    """Open a file for reading, as the bytes that it has."""
    if not is_remote(path):
        return Path(path).open("rb")
    from google.api_core.exceptions import NotFound

    try:
        return cast(IO[bytes], _stores().open(path, compression_type="uncompressed"))
    except NotFound as error:
        raise FileNotFoundError(path) from error


def write_bytes(path: str, content: bytes | pa.Buffer) -> None:
    """Write a whole file, or none: by rename on a disk, by the promise of a remote store."""
    if not is_remote(path):
        with new_file(Path(path)) as draft:
            draft.write_bytes(memoryview(content))
        return
    with _stores().create(path, compression_type="uncompressed") as file:
        file.write(bytes(content))


def delete_files(paths: Sequence[str]) -> None:
    """Remove files; one that is gone already is no error."""
    for path in paths:
        if is_remote(path):
            _stores().delete([path])
        else:
            Path(path).unlink(missing_ok=True)


def write_parquet(path: str, table: pa.Table) -> None:
    """Write `table`; a local reader never sees half of it, a remote one by the store's promise."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="lz4")
    if not is_remote(path):
        draft = Path(f"{path}.part")
        draft.write_bytes(buffer.getbuffer())
        draft.replace(path)
        return
    with _stores().create(path, compression_type="uncompressed") as file:
        file.write(buffer.getvalue())


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


def delete_folder(path: str) -> None:
    """Remove a remote folder with all that is in it."""
    _stores().delete([f"{path.rstrip('/')}/**"])


def _stores() -> Any:
    """Beam's file systems; imported when needed, since that takes seconds."""
    from apache_beam.io.filesystems import FileSystems

    return FileSystems


def checksum(file: FoundFile) -> str:
    """Tells a file's content from another's; of a remote one what its store keeps."""
    if is_remote(file.path):
        return f"{file.bytes} {_stores().checksum(file.path)}"
    return sha256(Path(file.path))


def _match_local(source: str) -> list[FoundFile]:
    path = Path(source)
    if path.is_dir():
        paths = files_under(path)
    elif path.is_file():
        paths = [path]
    elif _has_wildcard(source):
        paths = _glob(path)
    else:
        paths = []
    return [
        FoundFile(str(found), found.stat().st_size)
        for found in paths
        if path.is_file() or not found.name.startswith("_")
    ]


def _glob(pattern: Path) -> list[Path]:
    anchor = next(parent for parent in pattern.parents if not _has_wildcard(str(parent)))
    found = anchor.glob(str(pattern.relative_to(anchor))) if anchor.is_dir() else iter(())
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _has_wildcard(path: str) -> bool:
    return any(character in path for character in WILDCARDS)


def name_matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a file of that name is one of `patterns`; none means any."""
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
