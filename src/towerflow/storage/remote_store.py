"""Objects in a bucket: requests repeated until they are answered, and every answer checked."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from towerflow.errors import InputError, StorageError
from towerflow.storage.checksums import Content, new_hash
from towerflow.storage.files import new_file
from towerflow.storage.matching import before_wildcard, glob_expression, has_wildcard, is_visible
from towerflow.storage.object_requests import Gone, ObjectInfo, ObjectRequests, split
from towerflow.storage.object_store import (
    ABSENT,
    Bytes,
    Conflict,
    FoundFile,
    Moved,
    Versioned,
    unheard,
)
from towerflow.storage.remote_file import open_remote
from towerflow.storage.retrying import RetryPolicy, Transient

_CHUNK: Final = 8 * 2**20  # bytes of one request of a large read
_AT_ONCE: Final = 8  # deletions
_OVERTAKEN: Final = 100  # times that others may overwrite an object before we do


class RemoteStore:
    """An ObjectStore over the requests of Google's or Amazon's protocol.

    Args:
        requests: what is sent.
        policy: how often, how long.
    """

    def __init__(self, requests: ObjectRequests, policy: RetryPolicy) -> None:
        self._requests = requests
        self._policy = policy

    def find(self, source: str) -> list[FoundFile]:
        """See ObjectStore."""
        root = source.rstrip("/")
        if has_wildcard(source):
            expression = glob_expression(source)
            listed = self._listed(before_wildcard(source))
            found = [info for info in listed if expression.fullmatch(info.path)]
        else:
            exact = self._info(root) if split(root)[1] else None
            found = [exact] if exact else list(self._listed(f"{root}/"))
        files = (FoundFile(info.path, info.bytes) for info in found)
        return sorted((file for file in files if is_visible(file.name)), key=lambda file: file.path)

    def size(self, path: str) -> int | None:
        """See ObjectStore."""
        info = self._info(path)
        return info.bytes if info else None

    def checksum(self, file: FoundFile) -> str:
        """See ObjectStore."""
        info = self._existing(file.path)
        return f"{info.bytes} {info.checksum.value or info.generation}"

    def holds(self, path: str, file: Path) -> bool:
        """See ObjectStore; one of which the store keeps no checksum counts as different."""
        info = self._info(path)
        if info is None or not info.checksum.kind or info.bytes != file.stat().st_size:
            return False
        with file.open("rb") as opened:
            return Content(opened).is_that_of(info.checksum)

    def open(self, path: str) -> IO[bytes]:
        """See ObjectStore."""
        info = self._existing(path)
        return open_remote(info, lambda start, end: self._pinned(info, start, end))

    def read(self, path: str, max_bytes: int) -> Versioned:
        """See ObjectStore."""

        def attempt() -> Versioned:
            info = self._info(path)
            if info is None:
                return Versioned(b"", ABSENT)
            if info.bytes > max_bytes:
                raise InputError(
                    path, expected=f"at most {max_bytes:,} bytes", found=f"{info.bytes:,}"
                )
            sink = io.BytesIO()
            self._copy(info, sink, unheard)
            return Versioned(sink.getvalue(), info.generation)

        return self._policy.run("read", path, attempt)

    def write(self, path: str, content: Bytes) -> None:
        """See ObjectStore."""
        self._replace(path, _content(content))

    def write_if(self, path: str, content: Bytes, generation: str) -> str:
        """See ObjectStore."""
        return self._put(path, _content(content), generation)

    def upload(self, file: Path, path: str, moved: Moved) -> None:
        """See ObjectStore."""
        with file.open("rb") as opened:
            self._replace(path, Content(opened, moved))

    def download(self, path: str, file: Path, moved: Moved) -> None:
        """See ObjectStore."""

        def attempt() -> None:
            info = self._existing(path)
            with new_file(file) as draft, draft.open("wb") as sink:
                self._copy(info, sink, moved)

        self._policy.run("download", path, attempt)

    def delete(self, path: str) -> None:
        """See ObjectStore; what others wrote after this began is left alone."""
        info = self._info(path)
        if info is not None:
            self._delete(info)

    def delete_folder(self, path: str) -> None:
        """See ObjectStore."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._delete, self._listed(f"{path.rstrip('/')}/")))

    def _info(self, path: str) -> ObjectInfo | None:
        if not split(path)[1]:
            raise InputError(path, expected="an object's name after the bucket", found="none")
        return self._policy.run("look up", path, lambda: self._requests.info(path))

    def _existing(self, path: str) -> ObjectInfo:
        info = self._info(path)
        if info is None:
            raise FileNotFoundError(path)
        return info

    def _listed(self, prefix: str) -> Iterator[ObjectInfo]:
        token = ""
        while True:
            page, token = self._policy.run(
                "list", prefix, partial(self._requests.page, prefix, token)
            )
            yield from page
            if not token:
                return

    def _pieces(self, info: ObjectInfo, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, _CHUNK):
            last = min(at + _CHUNK, end)
            yield self._policy.run(
                "read",
                info.path,
                partial(self._requests.read, info, at, last),
            )

    def _copy(self, info: ObjectInfo, sink: IO[bytes], moved: Moved) -> None:
        """The whole of that generation; raises Transient if it comes out wrong or is replaced."""
        computed = new_hash(info.checksum.kind)
        try:
            for piece in self._pieces(info, 0, info.bytes):
                computed.update(piece)
                sink.write(piece)
                moved(sink.tell())
        except Gone as gone:
            raise Transient("it was replaced while it was read") from gone
        if not info.checksum.matches(computed):
            raise Transient(f"the {info.checksum.kind} of what came is not what the store says")

    def _pinned(self, info: ObjectInfo, start: int, end: int) -> bytes:
        """Bytes of that generation; of all of them the checksum is compared."""
        try:
            if (start, end) != (0, info.bytes):
                return b"".join(self._pieces(info, start, end))
            return self._policy.run("read", info.path, lambda: self._pinned_whole(info))
        except Gone as gone:
            if self._info(info.path) is None:
                raise FileNotFoundError(info.path) from gone
            raise StorageError(
                info.path, operation="read", fault="it was replaced while it was read"
            ) from gone

    def _pinned_whole(self, info: ObjectInfo) -> bytes:
        computed = new_hash(info.checksum.kind)
        content = b"".join(self._pieces(info, 0, info.bytes))
        computed.update(content)
        if not info.checksum.matches(computed):
            raise Transient(f"the {info.checksum.kind} of what came is not what the store says")
        return content

    def _replace(self, path: str, content: Content) -> None:
        """Conditional too, lest a request that was given up for lost arrive after a later write."""
        for _ in range(_OVERTAKEN):
            info = self._info(path)
            try:
                self._put(path, content, info.generation if info else ABSENT)
                return
            except Conflict:
                continue
        raise StorageError(
            path, operation="write", fault="others wrote it each time", tries=_OVERTAKEN
        )

    def _put(self, path: str, content: Content, generation: str) -> str:
        if not split(path)[1]:
            raise InputError(path, expected="an object's name after the bucket", found="none")
        write = _Write(self._requests, path, content, generation)
        try:
            return self._policy.run("write", path, write.attempt)
        except StorageError as error:
            if not write.is_unsure:
                raise
            sentence = f"{str(error).rstrip('.')}; whether it was written nobody can tell."
            raise StorageError.told(sentence) from error

    def _delete(self, info: ObjectInfo) -> None:
        try:
            self._policy.run("delete", info.path, lambda: self._requests.delete(info))
        except Gone:
            return


class _Write:
    """One conditional write, tried until it is certain; at most one of its tries takes effect.

    Attributes:
        is_unsure: whether a try may have taken effect whose answer was lost.
    """

    def __init__(
        self, requests: ObjectRequests, path: str, content: Content, generation: str
    ) -> None:
        self._requests = requests
        self._path = path
        self._content = content
        self._generation = generation
        self._tag = uuid4().hex
        self.is_unsure = False

    def attempt(self) -> str:
        """The new generation; raises Conflict if another write came first."""
        own = self._own() if self.is_unsure else None
        if own is None:
            own = self._sent()
        if not self._content.is_that_of(own.checksum) or own.bytes != self._content.size:
            self._generation = own.generation  # all that the next try may overwrite
            raise Transient("the store took other bytes than were sent")
        return own.generation

    def _sent(self) -> ObjectInfo:
        try:
            return self._requests.put(self._path, self._content, self._generation, self._tag)
        except Transient:
            self.is_unsure = True
            raise
        except Conflict:
            # Even at the first try: the connection may have sent it twice.
            own = self._own()
            if own is None:
                raise
            return own

    def _own(self) -> ObjectInfo | None:
        """What the store has, if this write made it and it was not seen to be damaged."""
        info = self._requests.info(self._path)
        is_own = info is not None and info.tag == self._tag
        return info if is_own and info and info.generation != self._generation else None


def _content(content: Bytes) -> Content:
    return Content(io.BytesIO(content if isinstance(content, bytes) else memoryview(content)))
