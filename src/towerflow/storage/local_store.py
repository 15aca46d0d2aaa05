"""A local folder as a store: writes by rename, conditional ones under a lock."""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from towerflow.errors import InputError
from towerflow.storage.checksums import CRC32C, Content
from towerflow.storage.files import files_under, new_file, sha256
from towerflow.storage.matching import has_wildcard
from towerflow.storage.object_store import ABSENT, Bytes, Conflict, FoundFile, Moved, Versioned


class LocalStore:
    """An ObjectStore of the local disk. The generation of a file is the hash of its content."""

    def find(self, source: str) -> list[FoundFile]:
        """See ObjectStore."""
        path = Path(source)
        if path.is_dir():
            paths = files_under(path)
        elif path.is_file():
            paths = [path]
        elif has_wildcard(source):
            paths = _glob(path)
        else:
            paths = []
        sizes = {
            str(found): self.size(str(found))
            for found in paths
            if path.is_file() or not found.name.startswith("_")
        }
        return [FoundFile(name, size) for name, size in sizes.items() if size is not None]

    def size(self, path: str) -> int | None:
        """See ObjectStore."""
        file = Path(path)
        try:
            return file.stat().st_size if file.is_file() else None
        except FileNotFoundError:  # deleted meanwhile
            return None

    def checksum(self, file: FoundFile) -> str:
        """See ObjectStore."""
        return sha256(Path(file.path))

    def holds(self, path: str, file: Path) -> bool:
        """See ObjectStore."""
        if self.size(path) != file.stat().st_size:
            return False
        with Path(path).open("rb") as there, file.open("rb") as here:
            return Content(here).is_that_of(Content(there).checksum(CRC32C))

    def open(self, path: str) -> IO[bytes]:
        """See ObjectStore."""
        return Path(path).open("rb")

    def read(self, path: str, max_bytes: int) -> Versioned:
        """See ObjectStore."""
        if not Path(path).is_file():
            return Versioned(b"", ABSENT)
        try:
            with Path(path).open("rb") as file:
                content = file.read(max_bytes + 1)
        except FileNotFoundError:  # deleted meanwhile
            return Versioned(b"", ABSENT)
        if len(content) > max_bytes:
            raise InputError(path, expected=f"at most {max_bytes:,} bytes", found="more")
        return Versioned(content, _generation(content))

    def write(self, path: str, content: Bytes) -> None:
        """See ObjectStore; a conditional write at the same moment may be lost."""
        with new_file(Path(path)) as draft:
            draft.write_bytes(memoryview(content))

    def write_if(self, path: str, content: Bytes, generation: str) -> str:
        """See ObjectStore."""
        file = Path(path)
        with _locked(file):
            if _generation_of(file) != generation:
                raise Conflict(path)
            self.write(path, content)
        return _generation(memoryview(content))

    def upload(self, file: Path, path: str, moved: Moved) -> None:
        """See ObjectStore."""
        _copy(file, Path(path), moved)

    def download(self, path: str, file: Path, moved: Moved) -> None:
        """See ObjectStore."""
        _copy(Path(path), file, moved)

    def delete(self, path: str) -> None:
        """See ObjectStore."""
        Path(path).unlink(missing_ok=True)

    def delete_folder(self, path: str) -> None:
        """See ObjectStore."""
        if Path(path).is_dir():
            shutil.rmtree(path)


def _glob(pattern: Path) -> list[Path]:
    anchor = next(parent for parent in pattern.parents if not has_wildcard(str(parent)))
    found = anchor.glob(str(pattern.relative_to(anchor))) if anchor.is_dir() else iter(())
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _generation(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _generation_of(file: Path) -> str:
    return sha256(file) if file.is_file() else ABSENT


def _copy(source: Path, target: Path, moved: Moved) -> None:
    with source.open("rb") as opened, new_file(target) as draft, draft.open("wb") as sink:
        shutil.copyfileobj(opened, sink, 2**20)
    moved(target.stat().st_size)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Alone with `file` among all who write it conditionally.

    The lock is a hidden file beside it, which stays: removed, two could hold it at once.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / f".{file.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
