"""Checksums that stores keep: CRC32C, and MD5 where a store has nothing better."""

import base64
import hashlib
import io
from dataclasses import dataclass
from typing import IO, Final, Protocol

from towerflow.storage.object_store import Moved, unheard

CRC32C: Final = "crc32c"
MD5: Final = "md5"
_BLOCK: Final = 2**20


class Hash(Protocol):
    """A checksum that is being computed."""

    def update(self, data: bytes) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Of all bytes so far."""


@dataclass(frozen=True)
class Checksum:
    """What a store says of an object's content; of no kind, it says nothing.

    Attributes:
        kind: CRC32C, MD5 or "".
        value: base64, as Google and Amazon write it.
    """

    kind: str
    value: str

    def matches(self, computed: Hash) -> bool:
        """Whether this is the checksum of the bytes that `computed` has seen."""
        return not self.kind or encoded(computed) == self.value


def new_hash(kind: str) -> Hash:
    """An empty one; CRC32C if no kind is asked for."""
    if kind == MD5:
        return hashlib.md5(usedforsecurity=False)
    import google_crc32c

    computed: Hash = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    return computed


def encoded(computed: Hash) -> str:
    """Its base64."""
    return base64.b64encode(computed.digest()).decode()


class Content:
    """Bytes on their way into a store: a seekable file, sent in pieces and hashed once.

    Args:
        file: what is sent.
        moved: told how far, each time a piece is taken.
    """

    def __init__(self, file: IO[bytes], moved: Moved = unheard) -> None:
        self._file = file
        self._moved = moved
        self.size = file.seek(0, io.SEEK_END)
        self._known: dict[str, Checksum] = {}

    def piece(self, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, the latter left out."""
        self._moved(start)
        return self._read(start, end)

    def checksum(self, kind: str) -> Checksum:
        """Of the whole."""
        if kind not in self._known:
            computed = new_hash(kind)
            for start in range(0, self.size, _BLOCK):
                computed.update(self._read(start, start + _BLOCK))
            self._known[kind] = Checksum(kind, encoded(computed))
        return self._known[kind]

    def is_that_of(self, checksum: Checksum) -> bool:
        """Whether `checksum` is of these bytes, as far as it says."""
        return not checksum.kind or self.checksum(checksum.kind) == checksum

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)
