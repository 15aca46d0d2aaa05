"""LEARN against its bars: quality beside SASRec and the other baselines, speed beside RecBole.

TOWERFLOW_BENCH_DATA names a folder with `office`, `scientific` and `beauty`, each with
items.parquet and interactions.parquet; what is missing is left out, with its bars. RecBole runs in
an environment of its own below `build/`. Takes an hour and a half; needs the package registry.
"""

import json
import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from benchmarks.support.measure import bar, measured, report
from towerflow.bundled import bundled_encoder
from towerflow.interactions.dataset import Dataset

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "bench" / "learn"
CACHE = WORK.parent / "cache"
PEER = ("recbole==1.2.1", "torch==2.13.0", "numpy<2", "pandas<2.3", "scipy<1.14")
DATA = os.environ.get("TOWERFLOW_BENCH_DATA", "")
SEEDS = {"office": 3, "scientific": 3, "beauty": 1}
TRAINED = ("sasrec-id", "learn", "learn-raw-items")
CLOSED_FORM = ("content-mean", "popularity", "item-knn", "ease")
METRICS = ("recall@10", "ndcg@10", "rare_recall@10")
# Of RecBole's SASRec and ours alike: width, inner width, longest history, targets of a step.
SHAPE = ("64", "256", "50", "2048")
REPEATS = 3
Job = tuple[str, str, int]  # data set, recipe, seed
Figures = dict[str, dict[str, list[dict[str, Any]]]]
TIMED: Job = ("beauty", "learn", 0)
MILLION = ("1000000", "20000", "384")


def run(
    *command: str, python: str = sys.executable, threads: int = 0
) -> tuple[dict[str, Any], float, float]:
    """The last line of `python command` as JSON, seconds, and peak memory in GB."""
    env = dict(os.environ) | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    seconds, peak, output = measured([python, *command], ROOT, env)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found, seconds, peak


def prepare(name: str) -> None:
    """Dataset and embeddings of the data set `name`."""
    encoder = str(bundled_encoder("minilm", CACHE, print))
    module = "benchmarks.support.learn_data"
    measured(
        [sys.executable, "-m", module, f"{DATA}/{name}", encoder, str(WORK / name)],
        ROOT,
        dict(os.environ),
    )


def train(job: Job, threads: int) -> dict[str, Any]:
    """Figures of one recipe on one data set with one seed."""
    name, recipe, seed = job
    paths = (str(WORK / name / "dataset"), str(WORK / name / "item_embeddings"))
    module = "benchmarks.support.train_recipe"
    found, _, _ = run("-m", module, *paths, recipe, str(seed), threads=threads)
    print(f"{name} {recipe} seed {seed}: {json.dumps(found)}", flush=True)
    return found


def quality(names: list[str]) -> Figures:
    """Figures by data set and recipe, one a seed.

    As many at once as there are cores, each on one: faster than one after the other on all. Only
    what is timed, LEARN on beauty, runs last and alone.
    """
    jobs = [
        (name, recipe, seed)
        for name in reversed(names)  # the longest first
        for recipe in (*TRAINED, *CLOSED_FORM)
        for seed in range(SEEDS[name] if recipe in TRAINED else 1)
    ]
    side_by_side = [job for job in jobs if job != TIMED]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(
            zip(side_by_side, pool.map(partial(train, threads=1), side_by_side), strict=True)
        )
    if TIMED in jobs:
        found[TIMED] = train(TIMED, threads=0)
    figures: Figures = {}
    for name, recipe, seed in sorted(found):
        sets = figures.setdefault(name, {})
        sets.setdefault(recipe, []).append(found[name, recipe, seed])
    return figures


def mean(figures: list[dict[str, Any]], metric: str) -> float:
    """Over seeds."""
    return statistics.fmean(figure[metric] for figure in figures)


def print_table(name: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Mean ± standard deviation over seeds."""
    print(f"\n{name}: {', '.join(METRICS)}; mean ± std over seeds; seconds")
    for recipe, figures in found.items():
        cells = []
        for metric in METRICS:
            values = [figure[metric] for figure in figures]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.4f}{spread}")
        print(f"  {recipe:<16} {'  '.join(cells)}  {mean(figures, 'seconds'):.0f} s", flush=True)


def quality_bars(found: Figures) -> list[dict[str, Any]]:
    """What `learn` must be better than, and by how much."""
    bars = []
    for metric in ("ndcg@10", "recall@10"):
        gains = [
            mean(sets["learn"], metric) / mean(sets["sasrec-id"], metric) - 1
            for sets in found.values()
        ]
        gain = statistics.fmean(gains)
        each = ", ".join(f"{name} {g:+.0%}" for name, g in zip(found, gains, strict=True))
        bars.append(bar(f"{metric} over SASRec-ID ({each})", gain, "", "≥ 0.20", holds=gain >= 0.2))
        for other in ("content-mean", "learn-raw-items"):
            least = min(mean(s["learn"], metric) / mean(s[other], metric) for s in found.values())
            bars.append(bar(f"{metric}, least / {other}", least, "×", "> 1", holds=least > 1))
    rare = [
        [mean(sets[recipe], "rare_recall@10") for recipe in ("learn", "sasrec-id")]
        for sets in found.values()
    ]
    least = min(ours / theirs if theirs else math.inf for ours, theirs in rare)
    bars.append(
        bar("rare items' recall@10 / SASRec-ID, least", least, "×", "≥ 2", holds=least >= 2)
    )
    if "beauty" in found:
        minutes = mean(found["beauty"]["learn"], "seconds") / 60
        bars.append(
            bar(
                "training learn on beauty, embeddings cached",
                minutes,
                "min",
                "≤ 20",
                holds=minutes <= 20,
            )
        )
    return bars


def peer_python() -> str:
    """The interpreter of an environment with RecBole."""
    folder = WORK.parent / "recbole"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER], check=True)
    return str(python)


def speed_bars(dataset: Path) -> list[dict[str, Any]]:
    """Tokens and targets a second beside RecBole's SASRec, whole runs interleaved.

    Tokens are those of real items. RecBole reads all before each target anew, so it reads more
    tokens for the same targets.
    """
    data = Dataset.open(dataset)
    log = WORK / "log.csv"
    table = pa.table([data.user_index, data.item_index, range(len(data.user_index))], list("uir"))
    pyarrow.csv.write_csv(table, log)
    ratios: dict[str, list[float]] = {"tokens": [], "targets": []}
    for _ in range(REPEATS):
        ours, _, _ = run("-m", "benchmarks.support.learn_speed", str(dataset), "4", *SHAPE)
        peer_script = str(ROOT / "benchmarks" / "peers" / "recbole_sasrec.py")
        peer, _, _ = run(
            peer_script, str(log), str(WORK / "recbole"), "1", *SHAPE, python=peer_python()
        )
        print(f"ours {ours}\nRecBole {peer}", flush=True)
        for unit, found in ratios.items():
            rates = [side[unit] / statistics.median(side["seconds"]) for side in (ours, peer)]
            found.append(rates[0] / rates[1])
    bars = []
    for unit, found in ratios.items():
        ratio = statistics.median(found)
        bars.append(bar(f"training {unit}/s / RecBole", ratio, "×", "≥ 3", holds=ratio >= 3))
    return bars


def main() -> None:
    """Measure everything that there is data for."""
    WORK.mkdir(parents=True, exist_ok=True)
    names = [name for name in SEEDS if DATA and (Path(DATA) / name).is_dir()]
    bars = []
    for name in names:
        prepare(name)
    found = quality(names)
    for name, figures in found.items():
        print_table(name, figures)
    if found:
        bars += quality_bars(found)
        bars += speed_bars(WORK / names[0] / "dataset")
    _, _, peak = run("-m", "benchmarks.support.learn_million", *MILLION)
    bars.append(
        bar(
            "1 M items, LEARN of content, sampled softmax, memory",
            peak,
            "GB",
            "≤ 8",
            holds=peak <= 8,
        )
    )
    report("learn", bars)


if __name__ == "__main__":
    main()
