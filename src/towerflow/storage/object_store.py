"""What every store can do, whether it is a local folder or a bucket, and the values it speaks in.

A *generation* names one state of one object. It is opaque: what a read gave is what a conditional
write asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol, TypeAlias

import pyarrow as pa

ABSENT: Final = ""  # generation of an object that isn't there

Bytes: TypeAlias = bytes | memoryview | pa.Buffer
Moved = Callable[[int], None]  # told how many bytes of a file are over; may fall if it starts anew


@dataclass(frozen=True)
class FoundFile:
    """A file and its size in bytes."""

    path: str
    bytes: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Versioned:
    """A whole object and the generation that it was read at."""

    content: bytes
    generation: str


class Conflict(Exception):  # noqa: N818 (no error: an answer that a caller expects)
    """Somebody else wrote the object meanwhile."""


def unheard(_: int) -> None:
    """A Moved that tells nobody."""


class ObjectStore(Protocol):
    """Files by path. A write is whole or not there; what is read is one generation, checked.

    Methods raise InputError for what the user can mend (a bucket, a permission), and StorageError
    for a fault that outlasted all tries.
    """

    def find(self, source: str) -> list[FoundFile]:
        """Visible files that `source` means, by path: a file, a folder or a glob."""

    def size(self, path: str) -> int | None:
        """Bytes of a file, None if it isn't there."""

    def checksum(self, file: FoundFile) -> str:
        """Tells a file's content from another's."""

    def holds(self, path: str, file: Path) -> bool:
        """Whether `path` is there with the content of a local `file`."""

    def open(self, path: str) -> IO[bytes]:
        """A seekable stream; FileNotFoundError if it isn't there."""

    def read(self, path: str, max_bytes: int) -> Versioned:
        """A whole small file; of generation ABSENT if it isn't there."""

    def write(self, path: str, content: Bytes) -> None:
        """Put a file there, whatever was there."""

    def write_if(self, path: str, content: Bytes, generation: str) -> str:
        """Put a file there if it is still of `generation`, else raise Conflict."""

    def upload(self, file: Path, path: str, moved: Moved) -> None:
        """Put the content of a local file there."""

    def download(self, path: str, file: Path, moved: Moved) -> None:
        """Make a local file of it; FileNotFoundError if it isn't there."""

    def delete(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""

    def delete_folder(self, path: str) -> None:
        """Remove all files below `path`."""
