"""`preprocess` against its bars: text beside polars, 10 M interactions, repeats, broken files.

The peer runs in an environment of its own below `build/`. Takes about ten minutes.
"""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.support.fuzz import read_mutated
from benchmarks.support.generate import write_interactions, write_items
from benchmarks.support.measure import bar, measured, report
from benchmarks.support.mutations import mutate

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "bench" / "preprocess"
POLARS = "polars==2.1.0"
NUM_ITEMS = 200_000
SMALL, LARGE = 1_000_000, 10_000_000
NUM_MUTATED = 2_000
REPEATS = 3
TWO_WORKERS = ("direct_num_workers=2", "direct_running_mode=multi_processing")


def run(*command: str) -> tuple[float, float, str]:
    """Seconds, peak memory in GB and output of `python command`, in this environment."""
    return measured([sys.executable, *command], ROOT, dict(os.environ))


def peer_python() -> str:
    """The interpreter of an environment with polars and nothing of ours."""
    folder = WORK.parent / "polars"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", POLARS], check=True)
    return str(python)


def text_bars() -> list[dict[str, Any]]:
    """JSON lines to clean text, beside polars; whole commands, from the interpreter's start."""
    source = WORK / "items.jsonl"
    write_items(source, NUM_ITEMS)
    script = str(ROOT / "benchmarks" / "peers" / "polars_clean.py")
    peer = [peer_python(), script, str(source), str(WORK / "polars.parquet")]
    module = "benchmarks.support.clean_items"
    ours, theirs = [], []
    for _ in range(REPEATS):
        ours.append(run("-m", module, str(source), str(WORK / "ours.parquet"))[0])
        theirs.append(measured(peer, ROOT, dict(os.environ))[0])
    print(f"ours {ours} s, polars {theirs} s")
    found, expected = (pq.read_table(WORK / f"{name}.parquet") for name in ("ours", "polars"))
    columns = ["item_id", "title", "text"]
    unequal = sum(
        one != other
        for one, other in zip(
            found.select(columns).to_pylist(), expected.select(columns).to_pylist(), strict=True
        )
    )
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        bar("200,000 JSON lines to clean text / polars", ratio, "×", "<= 2.0", holds=ratio <= 2),
        bar("rows that differ from polars", unequal, "", "== 0", holds=unequal == 0),
    ]


def scale_bars() -> list[dict[str, Any]]:
    """5-core, split and histories of ten times as many interactions."""
    medians, memory = {}, 0.0
    for size in (SMALL, LARGE):
        raw = WORK / f"raw-{size}"
        write_interactions(raw, size)
        seconds = []
        for _ in range(REPEATS):
            took, peak, output = run(
                *("-m", "benchmarks.support.run_preprocess", f"{raw}/items.parquet"),
                *(f"{raw}/interactions.parquet", f"{WORK}/out-{size}"),
            )
            seconds.append(took)
            memory = max(memory, peak)
        print(output.splitlines()[-1])
        print(f"{size:,} interactions: {seconds} s")
        medians[size] = statistics.median(seconds)
    ratio = medians[LARGE] / medians[SMALL]
    took = medians[LARGE]
    return [
        bar("10 M interactions", took, "s", "<= 180", holds=took <= 180),
        bar("their peak memory, all processes", memory, "GB", "<= 4", holds=memory <= 4),
        bar("10 M interactions / 1 M", ratio, "×", "<= 12", holds=ratio <= 12),
    ]


def hash_bars() -> list[dict[str, Any]]:
    """One Dataset from one file or many, in any order, by one worker or two."""
    raw = WORK / "raw-200000"
    write_interactions(raw, 200_000)
    table = pq.read_table(raw / "interactions.parquet")
    parts = raw / "parts"
    parts.mkdir()
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    bounds = np.linspace(0, len(table), 8).astype(int)
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        part = shuffled.slice(start, end - start)
        if number % 2:
            pa_csv.write_csv(part, parts / f"{9 - number}.csv")
        else:
            pq.write_table(part, parts / f"{9 - number}.parquet")
    hashes = set()
    for source in (raw / "interactions.parquet", parts):
        for options in ((), TWO_WORKERS):
            output = run(
                *("-m", "benchmarks.support.run_preprocess", f"{raw}/items.parquet"),
                *(str(source), f"{WORK}/out-hash", *options),
            )[2]
            hashes.add(json.loads(output.splitlines()[-1])["hash"])
    one = len(hashes) == 1
    return [bar("datasets from 1 or 7 files by 1 or 2 workers", len(hashes), "", "== 1", holds=one)]


def fuzz_bars() -> list[dict[str, Any]]:
    """Files with one thing wrong: `read_mutated` raises if a good row is lost or counts are off."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(NUM_MUTATED):
            try:
                outcomes[read_mutated(mutate(seed), Path(folder))] += 1
            except Exception as error:  # a crash is what is counted
                print(f"file {seed}: {type(error).__name__}: {error}")
                outcomes["failed"] += 1
    print(dict(outcomes))
    failed = outcomes["failed"]
    return [bar("of 2,000 broken files, failed", failed, "", "== 0", holds=failed == 0)]


def main() -> None:
    """All bars, one after the other."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    report("preprocess", [*text_bars(), *scale_bars(), *hash_bars(), *fuzz_bars()])


if __name__ == "__main__":
    main()
