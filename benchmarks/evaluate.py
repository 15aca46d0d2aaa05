"""The evaluation against its bars: speed beside RecBole's, a million items, what the gate sees.

RecBole runs in an environment of its own below `build/`. The gate's trials need recipes trained
with several seeds: on MovieLens-100k, and on Amazon Beauty if TOWERFLOW_BENCH_DATA names a folder
with `beauty`, which has items.parquet and interactions.parquet. Takes an hour with it; needs the
package registry.
"""

import itertools
import os
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support import jobs
from benchmarks.support.gate_trials import Scores, catches, equal_pairs, opens
from benchmarks.support.jobs import ROOT, available, peer_python, prepare, run
from benchmarks.support.measure import bar, report
from towerflow.bundled import DEFAULT_DATA
from towerflow.evaluation.gating import GateConfig

WORK = jobs.WORK / "evaluate"
REPEATS = 5
PEER = str(ROOT / "benchmarks" / "peers" / "recbole_full_sort.py")
# Scores that RecBole holds at a time: as it comes, a user; then whole blocks of users.
PEER_BATCHES = {"4096": 1, "4000000": 3, "16000000": 3}
AS_IT_COMES = "4096"
MILLION = "1000000"
SCALE_DIM = "64"
SCALE_USERS = ("1000", "4000")
RECIPE = "llminit-lightgcn-pca"
SEEDS = {DEFAULT_DATA: 15, "beauty": 2}
TRIALS = 200
LOSS = 0.05
LEAST_HITS = 100  # of a slice, so that 5 % of them is something
BETTER = GateConfig(margin=0.0, guarded_slices=())


def speed_bars() -> Iterator[dict[str, Any]]:
    """Ours, the bare products and top-K, and RecBole, on the same vectors and histories."""
    ours, _ = run("-m", "benchmarks.support.ranking_speed", str(WORK), str(REPEATS))
    seconds = statistics.median(ours["seconds"])
    over = float(np.median(np.divide(ours["seconds"], ours["bare"])))
    print(f"ours {ours}", flush=True)
    yield bar("full ranking / bare products and top-K", over, "×", "≤ 1.5", holds=over <= 1.5)
    peers = {}
    for batch, repeats in PEER_BATCHES.items():
        peer, _ = run(PEER, str(WORK), batch, str(repeats), python=peer_python())
        print(f"RecBole, eval_batch_size {batch}: {peer}", flush=True)
        peers[batch] = statistics.median(peer["seconds"])
        apart = max(abs(peer["metrics"][name] - ours["metrics"][name]) for name in ours["metrics"])
        title = f"metrics beside RecBole's, eval_batch_size {batch}"
        yield bar(title, apart, "", "≤ 1e-9", holds=apart <= 1e-9)
    ratio = peers[AS_IT_COMES] / seconds
    yield bar("RecBole's full sort as it comes / ours", ratio, "×", "≥ 10", holds=ratio >= 10)
    best = min(peers.values()) / seconds
    yield bar("RecBole's at its best batch / ours", best, "×", "≥ 10", holds=best >= 10)


def scale_bars() -> Iterator[dict[str, Any]]:
    """A million items, for few users and for more: memory stays, time grows with them."""
    found = [
        run("-m", "benchmarks.support.ranking_scale", MILLION, SCALE_DIM, users)[0]
        for users in SCALE_USERS
    ]
    print(f"scale {found}", flush=True)
    few, many = found
    per_user = (many["seconds"] - few["seconds"]) / (int(SCALE_USERS[1]) - int(SCALE_USERS[0]))
    grown = many["peak"] / few["peak"]
    yield bar(
        "1 M items: memory for 4,000 users / for 1,000", grown, "×", "≤ 1.1", holds=grown <= 1.1
    )
    yield bar("1 M items: peak of memory", many["peak"], "GB", "shown", holds=True)
    yield bar("1 M items × 1 M users, from that", per_user * 1e6 / 3600, "h", "shown", holds=True)


def train_seeds(name: str) -> list[Path]:
    """What the gate would be told of each seed, as many at once as there are cores."""
    files = [WORK / f"{name}-{seed}.npz" for seed in range(SEEDS[name])]
    data = (str(WORK / name / "dataset"), str(WORK / name / "item_embeddings"))

    def train(seed: int) -> None:
        command = ("-m", "benchmarks.support.gate_seeds", *data, RECIPE, str(seed))
        run(*command, str(files[seed]), threads=1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(train, range(SEEDS[name])))
    return files


def gate_bars(name: str, scores: Sequence[Scores]) -> Iterator[dict[str, Any]]:
    """How often the gate is wrong where the truth is known."""
    pairs = list(equal_pairs(scores[0], scores[1], TRIALS))
    wrong = share(opens(*pair, BETTER) for pair in pairs)
    title = f"{name}: of {TRIALS} equal challengers, taken for better"
    yield bar(title, wrong, "", "≤ .05", holds=wrong <= 0.05)
    let_in = share(opens(*pair, GateConfig()) for pair in pairs)
    yield bar(f"{name}: of the same, let in by the usual margins", let_in, "", "shown", holds=True)
    parts = {
        part: len(users)
        for part, (users, values) in scores[0].slices.items()
        if np.count_nonzero(values) >= LEAST_HITS
    }
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rates = pool.map(partial(slice_rates, pairs), parts)
        for (part, users), (caught, stopped) in zip(parts.items(), rates, strict=True):
            title = f"{name}, {part}, {users:,} users: a loss of 5 % caught"
            yield bar(title, caught, "", "≥ .9", holds=caught >= 0.9)
            title = f"{name}, {part}: equal challengers stopped by it"
            yield bar(title, stopped, "", "shown", holds=True)


def slice_rates(pairs: Sequence[tuple[Scores, Scores]], part: str) -> tuple[float, float]:
    """How often a guard of `part` by 5 % stops what lost as much there, and what lost nothing."""
    rng = np.random.default_rng(1)
    caught = share(catches(one.worse(part, LOSS, rng), other, part, LOSS) for one, other in pairs)
    return caught, share(catches(*pair, part, LOSS) for pair in pairs)


def seed_bars(name: str, scores: Sequence[Scores]) -> Iterator[dict[str, Any]]:
    """The same recipe with other seeds, each against each."""
    pairs = list(itertools.permutations(scores, 2))
    wrong = share(opens(*pair, BETTER) for pair in pairs)
    title = f"{name}: of {len(pairs)} pairs of seeds, taken for better"
    yield bar(title, wrong, "", "≤ .05", holds=wrong <= 0.05)


def share(found: Iterator[bool]) -> float:
    """How many of them are true."""
    return float(np.mean(list(found)))


def main() -> None:
    """Measure everything that there is data for."""
    WORK.mkdir(parents=True, exist_ok=True)
    bars = [*speed_bars(), *scale_bars()]
    for name in [DEFAULT_DATA, *available(["beauty"])]:
        prepare(name, WORK / name)
        scores = [Scores.read(file) for file in train_seeds(name)]
        bars += gate_bars(name, scores)
        if len(scores) > len("ab"):
            bars += seed_bars(name, scores)
    report("evaluate", bars)


if __name__ == "__main__":
    main()
