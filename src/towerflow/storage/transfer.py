"""Many files to or from a store at once, with progress."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import Final

from towerflow.errors import InputError
from towerflow.storage.filesystems import size, store_of

_AT_ONCE: Final = 8
LONGEST_PART: Final = 100  # characters that every file system takes …
LONGEST_NAME: Final = 500  # … and every store

Tell = Callable[[int, int], None]  # bytes done, bytes in all


def upload_files(folder: Path, names: Sequence[str], target: str, tell: Tell | None = None) -> None:
    """Upload files of `folder`; those that `target` has already with the same content are skipped.

    Args:
        folder: local.
        names: of the files, relative to it.
        target: folder, local or remote.
        tell: called with bytes done and in all; less may be done if a file starts anew.

    Raises:
        InputError: a name leads out of the folder.
        StorageError: one could not be written; others may have been.
    """
    _require_inside(folder, names)
    sizes = {name: (folder / name).stat().st_size for name in names}
    progress = _Progress(sum(sizes.values()), tell)

    def upload(name: str) -> None:
        path = f"{target.rstrip('/')}/{name}"
        store = store_of(path)
        if not store.holds(path, folder / name):
            store.upload(folder / name, path, lambda done: progress.moved(name, done))
        progress.moved(name, sizes[name])

    _at_once(upload, names)


def download_files(
    source: str, names: Sequence[str], folder: Path, tell: Tell | None = None
) -> None:
    """Download files of `source` into `folder`, each whole or not at all.

    Args:
        source: folder, local or remote.
        names: of the files, relative to it.
        folder: local.
        tell: called with bytes done and in all; less may be done if a file starts anew.

    Raises:
        InputError: a name leads out of the folder.
        FileNotFoundError: one is not there.
        StorageError: one could not be read; others may have been.
    """
    _require_inside(source, names)
    paths = {name: f"{source.rstrip('/')}/{name}" for name in names}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        total = sum(pool.map(_existing_size, paths.values())) if tell else 0
    progress = _Progress(total, tell)

    def download(name: str) -> None:
        store_of(paths[name]).download(
            paths[name], folder / name, lambda done: progress.moved(name, done)
        )

    _at_once(download, names)


def stays_inside(name: str) -> bool:
    r"""Whether `name` is a plain relative path, the same on every system, leading nowhere else.

    >>> [stays_inside(name) for name in ("a/b.txt", "../a", "/a", "a//b", "a\\b", "")]
    [True, False, False, False, False, False]
    """
    parts = name.split("/")
    is_too_long = max(map(len, parts)) > LONGEST_PART or len(name) > LONGEST_NAME
    is_strange = any(letter in name for letter in "\\\0") or {"", ".", ".."} & set(parts)
    return not is_too_long and not is_strange


class _Progress:
    """Adds up what threads have moved of each file."""

    def __init__(self, total: int, tell: Tell | None) -> None:
        self._total = total
        self._tell = tell
        self._done: dict[str, int] = {}
        self._lock = Lock()

    def moved(self, name: str, done: int) -> None:
        """So many bytes of a file are over."""
        if self._tell is None:
            return
        with self._lock:
            self._done[name] = done
            self._tell(sum(self._done.values()), self._total)


def _require_inside(where: object, names: Iterable[str]) -> None:
    for name in names:
        if not stays_inside(name):
            raise InputError(where, expected="names of files inside it", found=repr(name))


def _existing_size(path: str) -> int:
    found = size(path)
    if found is None:
        raise FileNotFoundError(path)
    return found


def _at_once(work: Callable[[str], None], names: Sequence[str]) -> None:
    """`work` on every name in threads; after a failure none is begun any more."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = [pool.submit(work, name) for name in names]
        try:
            for one in as_completed(running):
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
