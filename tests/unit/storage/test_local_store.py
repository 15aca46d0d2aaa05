"""The local disk as a store: conditional writes hold between processes too."""

import multiprocessing
from pathlib import Path

from towerflow.storage.filesystems import read_versioned, write_if
from towerflow.storage.object_store import Conflict

PROCESSES, TIMES = 4, 25


def count(path: str) -> None:
    """Add one, TIMES times."""
    for _ in range(TIMES):
        while True:
            before = read_versioned(path)
            try:
                write_if(path, str(int(before.content or b"0") + 1).encode(), before.generation)
                break
            except Conflict:
                continue


def test_processes_that_count_together_lose_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "counter")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count, args=(path,)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert read_versioned(path).content == str(PROCESSES * TIMES).encode()
    names = sorted(file.name for file in (tmp_path / "deep").iterdir())
    assert names == [".counter.lock", "counter"]
