"""The index of a million items, and releases that nothing corrupts, against their bars.

Takes some 20 minutes and 4 GB of disk. The vectors are made up, in clusters; the peer is faiss'
own exact index of the same vectors.
"""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.support import jobs
from benchmarks.support.jobs import ROOT, run
from benchmarks.support.measure import bar, report

WORK = jobs.WORK / "index"
ITEMS, DIM, USERS = "1000000", "64", "100000"
ASKED = "2000"
ROUNDS = 3
# Bars that are tests: a number of operations or releases, of which none may go wrong.
TESTS = {
    "retrain on gs://: metrics or files unlike those on disks": "test_retrain_remote.py",
    "1,000 operations, a fifth broken: lost, doubled, corrupt": "test_faults.py",
    "8 processes × 25 publishes, and readers: broken pointers": "test_publish_race.py",
    "2,000 fuzzed releases: loaded, or not refused by name": "test_release_fuzz.py",
}


def export_bars() -> Iterator[dict[str, Any]]:
    """The step, from item tower to files."""
    run("-m", "benchmarks.support.index_million", ITEMS, DIM, USERS, str(WORK))
    found, peak = run("-m", "benchmarks.support.index_export", str(WORK))
    print(f"export {found}", flush=True)
    minutes = found["seconds"] / 60
    yield bar("1 M × 64: export", minutes, "min", "≤ 10", holds=minutes <= 10)
    yield bar("1 M × 64: its peak memory", peak, "GB", "≤ 6", holds=peak <= 6)
    recall = found["index"]["recall"]
    yield bar("1 M × 64: recall, as its manifest says", recall, "", "shown", holds=True)


def serve_bars() -> Iterator[dict[str, Any]]:
    """Ours and the exact index by turns, each in a process of its own."""
    command = ("-m", "benchmarks.support.index_serve", str(WORK / "releases"), ASKED)
    rounds = [(run(*command)[0], run(*command, "exact")[0]) for _ in range(ROUNDS)]
    ours, exact = rounds[0]
    worst = np.array(exact["scores"])[:, -1:]
    recall = float((np.array(ours["scores"]) >= worst - 1e-6).mean())
    yield bar("recall@100 of users drawn anew", recall, "", "≥ .99", holds=recall >= 0.99)
    for way in ("batch", "single"):
        ratio = statistics.median(one[way] / peer[way] for one, peer in rounds)
        title = f"queries/s beside exact faiss, {'all at once' if way == 'batch' else 'one by one'}"
        yield bar(title, ratio, "×", "≥ 10", holds=ratio >= 10)
    opened = statistics.median(one["open"] for one, _ in rounds)
    yield bar("opening the release, hashes checked", opened, "s", "≤ 1", holds=opened <= 1)
    for name, unit in (("recommend", "/s"), ("memory", "GB")):
        yield bar(f"{name}, as a service", ours[name], unit, "shown", holds=True)


def test_bars() -> Iterator[dict[str, Any]]:
    """Bars that the tests hold, run once more and counted."""
    for title, file in TESTS.items():
        command = [sys.executable, "-m", "pytest", "-q", f"tests/storage/{file}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout[-2000:], flush=True)
        yield bar(title, done.returncode, "", "0", holds=done.returncode == 0)


def main() -> None:
    """Measure all of it."""
    bars = [*export_bars(), *serve_bars(), *test_bars()]
    report("index", bars)


if __name__ == "__main__":
    main()
