"""Who publishes to one root at once, each in a process of its own, and who reads it meanwhile."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tests.unit.retrieval.tiny_releases import add_tiny, pointer_of
from towerflow.errors import InputError
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import Overtaken, ReleaseRoot
from towerflow.schema import ArtifactKind, Manifest
from towerflow.storage.artifact import local_artifact

_start: Barrier


@dataclass(frozen=True)
class Outcome:
    """What became of one publish.

    Attributes:
        release_id: what was to become current.
        seen: what was live when it began.
        number: of the move, 0 if it was overtaken.
        previous: what it found that it replaced.
    """

    release_id: str
    seen: str | None
    number: int = 0
    previous: str | None = None


def publish_at_once(
    root: str, scratch: Path, num_processes: int, each: int, *, is_same: bool = False
) -> list[Outcome]:
    """Start as many processes at the same moment; each publishes so many releases.

    They are of its own, or the same as those of the others.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(num_processes)
    with ProcessPoolExecutor(num_processes, context, _wait_with, (barrier,)) as pool:
        running = [
            pool.submit(
                _publish_some,
                root,
                scratch / f"p{process}",
                each,
                "" if is_same else f"p{process}-",
            )
            for process in range(num_processes)
        ]
        return [outcome for process in running for outcome in process.result()]


def _wait_with(barrier: Barrier) -> None:
    global _start
    _start = barrier


def _publish_some(root: str, scratch: Path, each: int, prefix: str) -> list[Outcome]:
    _start.wait()
    releases = ReleaseRoot(root)
    return [_publish(releases, scratch, f"{prefix}{number}") for number in range(each)]


def _publish(root: ReleaseRoot, scratch: Path, name: str) -> Outcome:
    seen = root.current()
    release_id = add_tiny(root, scratch, name)
    try:
        pointer = root.point_to(release_id, How.PUBLISH, {seen})
    except Overtaken:
        return Outcome(release_id, seen)
    return Outcome(release_id, seen, pointer.history[-1].number, pointer.previous)


@dataclass
class Reader:
    """Reads what is current over and over, as a service that is started does.

    Attributes:
        root: of the releases.
        numbers: of the moves whose releases were read whole, in order.
        passed_over: releases that were pruned while they were read.
        faults: what must not happen.
    """

    root: ReleaseRoot
    numbers: list[int] = field(default_factory=list)
    passed_over: int = 0
    faults: list[BaseException] = field(default_factory=list)

    def read_until(self, end: threading.Event) -> None:
        """One release after the other, once more after the end."""
        try:
            is_last = False
            while not is_last:
                is_last = end.is_set()
                self._read()
        except BaseException as fault:
            self.faults.append(fault)

    def _read(self) -> None:
        pointer = pointer_of(self.root)
        release_id = pointer.release_id
        try:
            manifest = self.root.manifest(release_id)
            with local_artifact(self.root.folder(release_id), ArtifactKind.RELEASE) as folder:
                texts = _texts(folder, manifest)
        except InputError:
            if pointer_of(self.root).release_id == release_id:
                raise
            self.passed_over += 1  # pruned, and another is current by now
            return
        names = {text.rpartition(" of ")[2] for text in texts}
        assert len(names) == 1, f"files of several releases: {texts}"
        self.numbers.append(pointer.history[-1].number)


def _texts(folder: Path, manifest: Manifest) -> list[str]:
    try:
        return [(folder / name).read_text("utf-8") for name in manifest.files]
    except FileNotFoundError as error:  # pruned after it was checked, where it lies on this disk
        raise InputError(folder, expected="what was there", found="nothing") from error


@contextmanager
def reading(root: str, num_readers: int) -> Iterator[list[Reader]]:
    """Readers in threads of their own, until the end of the block."""
    readers = [Reader(ReleaseRoot(root)) for _ in range(num_readers)]
    end = threading.Event()
    threads = [threading.Thread(target=one.read_until, args=(end,)) for one in readers]
    for thread in threads:
        thread.start()
    try:
        yield readers
    finally:
        end.set()
        for thread in threads:
            thread.join()
