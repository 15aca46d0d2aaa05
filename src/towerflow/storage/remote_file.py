"""A remote object as a seekable stream of one generation."""

import io
from collections.abc import Callable
from typing import IO, Final, cast

from towerflow.errors import StorageError
from towerflow.storage.checksums import new_hash
from towerflow.storage.object_requests import ObjectInfo

_LEAST: Final = 256 * 2**10  # bytes of a request at the start and after a jump
_MOST: Final = 8 * 2**20  # and of one when all is read in order
_BUFFER: Final = 64 * 2**10  # for reading by lines

Fetch = Callable[[int, int], bytes]


def open_remote(info: ObjectInfo, fetch: Fetch) -> IO[bytes]:
    """A stream over `fetch(start, end)`.

    Read from start to end in order, its checksum is compared before the last bytes are given out.
    """
    return cast(IO[bytes], io.BufferedReader(_RemoteFile(info, fetch), _BUFFER))


class _RemoteFile(io.RawIOBase):
    """Reads ahead the further, the longer it is read in order; a jump fetches what is asked."""

    def __init__(self, info: ObjectInfo, fetch: Fetch) -> None:
        super().__init__()
        self.name = info.path
        self._info = info
        self._fetch = fetch
        self._position = 0
        self._block = b""
        self._block_start = 0
        self._ahead = _LEAST
        self._hash = new_hash(info.checksum.kind)
        self._hashed = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; nothing is fetched yet."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.bytes}
        self._position = max(0, start[whence] + offset)
        return self._position

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Fill `target` with what the block has, or a new block; 0 at the end."""
        wanted = min(len(target), self._info.bytes - self._position)
        if wanted <= 0:
            return 0
        offset = self._position - self._block_start
        if not 0 <= offset < len(self._block):
            self._next_block(wanted)
            offset = 0
        given = self._block[offset : offset + wanted]
        self._check(given)
        target[: len(given)] = given
        self._position += len(given)
        return len(given)

    def readall(self) -> bytes:
        """All that is left, in one go."""
        rest = self._fetch(self._position, self._info.bytes) if self._left() else b""
        self._check(rest)
        self._position += len(rest)
        return rest

    def _left(self) -> bool:
        return self._position < self._info.bytes

    def _next_block(self, wanted: int) -> None:
        in_order = self._position == self._block_start + len(self._block)
        self._ahead = min(2 * self._ahead, _MOST) if in_order and self._block else _LEAST
        end = min(self._position + max(wanted, self._ahead), self._info.bytes)
        self._block = self._fetch(self._position, end)
        self._block_start = self._position

    def _check(self, given: bytes) -> None:
        """Hash what is new; at the end of the object compare."""
        new = self._hashed - self._position
        if not 0 <= new < len(given):
            return
        self._hash.update(given[new:])
        self._hashed = self._position + len(given)
        if self._hashed == self._info.bytes and not self._info.checksum.matches(self._hash):
            raise StorageError(
                self._info.path,
                operation="read",
                fault=f"its {self._info.checksum.kind} is not what the store says",
            )
