"""Graph models against their bars: what the LLM's first rows are worth, and speed beside RecBole.

TOWERFLOW_BENCH_DATA names a folder with `office` and `beauty`, each with items.parquet and
interactions.parquet; what is missing is left out, with its bars. RecBole runs in an environment of
its own below `build/`. Takes two hours; needs the package registry.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support import jobs
from benchmarks.support.jobs import (
    ROOT,
    Job,
    available,
    peer_python,
    per_user,
    prepare,
    run,
    train_side_by_side,
)
from benchmarks.support.measure import bar, report
from benchmarks.support.tables import Table, by_recipe, mean, print_table
from towerflow.evaluation.significance import sign_flip_test
from towerflow.interactions.dataset import Dataset
from towerflow.schema import Split

WORK = jobs.WORK / "graph"
METRICS = ("recall@10", "ndcg@10")
BACKBONES = ("lightgcn", "sgl", "sgcl")
STRATEGIES = ("pca", "var", "uni", "rand")
BEST = "pca"
SEEDS = {"office": 5, "beauty": 2}
LEAST_GAIN = {"lightgcn": 0.0, "sgl": 0.1, "sgcl": 0.1}
COLD = {f"{name}-half": seeds for name, seeds in SEEDS.items()}
LEAST_COLD_GAIN = 0.3
PARITY = "office-random"
PARITY_RECIPES = ("llminit-paper-lightgcn", "llminit-paper-lightgcn-var")
VARIANTS = {
    "office-half": ("office", {"few_shot": "half"}),
    "beauty-half": ("beauty", {"few_shot": "half"}),
    PARITY: ("office", {"split": "random-leave-one-out"}),
}
# Dimensions, layers, edges of a step, learning rate, temperature; of RecBole and ours alike.
SHAPE = ("64", "2", "2048", "0.001", "0.2")
# Data set, model, epochs and repeats; RecBole's SGL takes more than a minute an epoch of beauty.
RACES = (
    ("beauty", "LightGCN", 5, 3),
    ("office", "SGL", 10, 3),
    ("office", "SGL-all", 10, 1),
    ("beauty", "SGL", 2, 1),
)
PEERS = {"LightGCN": "LightGCN", "SGL": "SGL", "SGL-all": "SGL"}
TITLES = {
    "LightGCN": "LightGCN",
    "SGL": "SGL, contrast in the batch",
    "SGL-all": "SGL, contrast among all nodes, as RecBole's",
}
SCALE = ("1000000", "200000", "20000000", "64", "524288")


def wanted(names: list[str]) -> list[Job]:
    """Everything to be trained, the longest first."""
    chosen: list[Job] = []
    for name in reversed(names):
        for backbone in BACKBONES:
            for recipe in (backbone, f"llminit-{backbone}-{BEST}"):
                chosen += [(name, recipe, seed) for seed in range(SEEDS[name])]
        for recipe in ("sgcl", f"llminit-sgcl-{BEST}"):
            chosen += [(f"{name}-half", recipe, seed) for seed in range(COLD[f"{name}-half"])]
    if "office" in names:
        for backbone in BACKBONES:
            others = [strategy for strategy in STRATEGIES if strategy != BEST]
            chosen += [
                ("office", f"llminit-{backbone}-{strategy}", seed)
                for strategy in others
                for seed in range(SEEDS["office"])
            ]
        chosen += [(PARITY, recipe, 0) for recipe in PARITY_RECIPES]
    return chosen


def prepare_all(names: list[str]) -> None:
    """Datasets and embeddings, and what a peer reads."""
    for name in names:
        prepare(name, WORK / name)
    for variant, (name, settings) in VARIANTS.items():
        if name in names:
            prepare(name, WORK / variant, **settings)


def gain_bars(found: Table) -> Iterator[dict[str, Any]]:
    """First rows from the LLM over random ones, with a paired test over users."""
    for name, recipes in found.items():
        for backbone in BACKBONES:
            llm = f"llminit-{backbone}-{BEST}"
            if llm not in recipes:
                continue
            least = LEAST_COLD_GAIN if name in COLD else LEAST_GAIN[backbone]
            for metric in METRICS:
                gain = mean(recipes[llm], metric) / mean(recipes[backbone], metric) - 1
                p = p_value(name, llm, backbone, metric, len(recipes[llm]))
                title = f"{metric}, {name}, {backbone}: LLM / xavier - 1 (p = {p:.4f})"
                yield bar(title, gain, "", f"≥ {least:g}", holds=gain >= least)


def p_value(name: str, recipe: str, other: str, metric: str, num_seeds: int) -> float:
    """Paired over users, whose metrics are averaged over seeds."""
    ours, theirs = (
        np.mean(
            [np.load(per_user(WORK, (name, one, seed)))[metric] for seed in range(num_seeds)],
            axis=0,
        )
        for one in (recipe, other)
    )
    return sign_flip_test(ours - theirs)


def write_log(dataset: Path, folder: Path) -> None:
    """The splits as RecBole reads them."""
    data = Dataset.open(dataset)
    (folder / "log").mkdir(parents=True, exist_ok=True)
    parts = ((Split.TRAIN, "train"), (Split.VALIDATION, "valid"), (Split.TEST, "test"))
    for split, name in parts:
        chosen = data.split == split.value
        pairs = zip(data.user_index[chosen], data.item_index[chosen], strict=True)
        lines = ["user_id:token\titem_id:token", *(f"{user}\t{item}" for user, item in pairs)]
        (folder / "log" / f"log.{name}.inter").write_text("\n".join(lines) + "\n", "utf-8")


def race_bars(name: str, model: str, epochs: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Seconds of an epoch, memory and validation beside RecBole's; a seed each time."""
    folder = WORK / f"{name}-recbole"
    write_log(WORK / name / "dataset", folder)
    ours_at = ("-m", "benchmarks.support.graph_speed", model, str(WORK / name / "dataset"))
    peer_at = (str(ROOT / "benchmarks" / "peers" / "recbole_graph.py"), PEERS[model], str(folder))
    ratios, pairs = [], []
    for seed in map(str, range(repeats)):
        ours, _ = run(*ours_at, seed, str(epochs), *SHAPE)
        peer, _ = run(*peer_at, seed, str(epochs), *SHAPE, python=peer_python())
        print(f"{name} {model}\n  ours {ours}\n  RecBole {peer}", flush=True)
        pairs.append((ours, peer))
        ratios.append(statistics.median(peer["seconds"]) / statistics.median(ours["seconds"]))
    ratio, title = statistics.median(ratios), f"{name} {TITLES[model]}"
    yield bar(f"{title}: RecBole's epoch / ours", ratio, "×", "≥ 8", holds=ratio >= 8)
    better = mean([one for one, _ in pairs], "ndcg@10") / mean([two for _, two in pairs], "ndcg@10")
    what = f"{title}: validation NDCG@10 after {epochs} epochs / RecBole's"
    yield bar(what, better, "×", "≥ 1", holds=better >= 1)
    memory = max(one["gigabytes"] for one, _ in pairs) / min(two["gigabytes"] for _, two in pairs)
    yield bar(f"{title}: memory / RecBole's", memory, "×", "≤ 1", holds=memory <= 1)


def scale_bars() -> list[dict[str, Any]]:
    """One epoch of LightGCN over a graph that fills no laptop's cache."""
    found, peak = run("-m", "benchmarks.support.graph_scale", *SCALE)
    print(f"scale {found}", flush=True)
    minutes = found["seconds"] / 60
    title = f"1 M users, 200 k items, {found['edges'] / 1e6:.1f} M edges"
    return [
        bar(f"{title}: an epoch", minutes, "min", "shown", holds=True),
        bar(f"{title}: memory", peak, "GB", "shown", holds=True),
    ]


def main() -> None:
    """Measure everything that there is data for."""
    WORK.mkdir(parents=True, exist_ok=True)
    names = available(list(SEEDS))
    for name in SEEDS.keys() - set(names):
        print(f"{name} is left out: TOWERFLOW_BENCH_DATA names no folder with it", flush=True)
    prepare_all(names)
    bars = []
    for race in RACES:
        if race[0] in names:
            bars += race_bars(*race)
    bars += scale_bars()
    found = by_recipe(train_side_by_side(WORK, wanted(names)))
    for name, recipes in found.items():
        print_table(name, recipes, METRICS)
    bars += gain_bars(found)
    report("graph", bars)


if __name__ == "__main__":
    main()
