"""LEARN against its bars: quality beside SASRec and the other baselines, speed beside RecBole.

TOWERFLOW_BENCH_DATA names a folder with `office`, `scientific` and `beauty`, each with
items.parquet and interactions.parquet; what is missing is left out, with its bars. RecBole runs in
an environment of its own below `build/`. Takes an hour and a half; needs the package registry.
"""

import math
import statistics
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from benchmarks.support import jobs
from benchmarks.support.jobs import (
    ROOT,
    Job,
    available,
    peer_python,
    prepare,
    run,
    train,
    train_side_by_side,
)
from benchmarks.support.measure import bar, report
from benchmarks.support.tables import Table, by_recipe, mean, print_table
from towerflow.interactions.dataset import Dataset

WORK = jobs.WORK / "learn"
SEEDS = {"office": 3, "scientific": 3, "beauty": 1}
TRAINED = ("sasrec-id", "learn", "learn-raw-items")
CLOSED_FORM = ("content-mean", "popularity", "item-knn", "ease")
METRICS = ("recall@10", "ndcg@10", "rare_recall@10")
# Of RecBole's SASRec and ours alike: width, inner width, longest history, targets of a step.
SHAPE = ("64", "256", "50", "2048")
REPEATS = 3
TIMED: Job = ("beauty", "learn", 0)
MILLION = ("1000000", "20000", "384")


def quality(names: list[str]) -> Table:
    """Figures by data set and recipe, one a seed.

    What is timed, LEARN on beauty, runs last and alone.
    """
    wanted = [
        (name, recipe, seed)
        for name in reversed(names)  # the longest first
        for recipe in (*TRAINED, *CLOSED_FORM)
        for seed in range(SEEDS[name] if recipe in TRAINED else 1)
    ]
    found = train_side_by_side(WORK, [job for job in wanted if job != TIMED])
    if TIMED in wanted:
        found[TIMED] = train(WORK, TIMED, threads=0)
    return by_recipe(found)


def quality_bars(found: Table) -> list[dict[str, Any]]:
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
        ours, _ = run("-m", "benchmarks.support.learn_speed", str(dataset), "4", *SHAPE)
        peer_script = str(ROOT / "benchmarks" / "peers" / "recbole_sasrec.py")
        peer, _ = run(
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
    names = available(list(SEEDS))
    bars = []
    for name in names:
        prepare(name, WORK / name)
    found = quality(names)
    for name, figures in found.items():
        print_table(name, figures, METRICS)
    if found:
        bars += quality_bars(found)
        bars += speed_bars(WORK / names[0] / "dataset")
    _, peak = run("-m", "benchmarks.support.learn_million", *MILLION)
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
