"""Benchmark jobs as processes of their own: recipes trained side by side, and RecBole beside us."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.support.measure import measured
from towerflow.bundled import DEFAULT_DATA, bundled_encoder, movielens_100k

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "bench"
DATA = os.environ.get("TOWERFLOW_BENCH_DATA", "")
PEER = ("recbole==1.2.1", "torch==2.13.0", "numpy<2", "pandas<2.3", "scipy<1.14")
Job = tuple[str, str, int]  # data set, recipe, seed
Figures = dict[str, Any]


def run(*command: str, python: str = sys.executable, threads: int = 0) -> tuple[Figures, float]:
    """The last line of `python command` as JSON, and the peak of memory in GB."""
    env = dict(os.environ) | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    _, peak, output = measured([python, *command], ROOT, env)
    found: Figures = json.loads(output.splitlines()[-1])
    return found, peak


def available(names: Sequence[str]) -> list[str]:
    """Those data sets that there is data for."""
    return [name for name in names if DATA and (Path(DATA) / name).is_dir()]


def prepare(name: str, folder: Path, **settings: str) -> None:
    """Dataset and embeddings of the data set `name`, with other than the usual settings."""
    encoder = str(bundled_encoder("minilm", WORK / "cache", print))
    source = Path(DATA) / name
    if name == DEFAULT_DATA:
        source = movielens_100k(WORK / "cache", print)[0].parent
    module = "benchmarks.support.prepared_data"
    pairs = [f"{key}={value}" for key, value in settings.items()]
    command = [sys.executable, "-m", module, str(source), encoder, str(folder), *pairs]
    measured(command, ROOT, dict(os.environ))


def train(root: Path, job: Job, threads: int) -> Figures:
    """Figures of one recipe on one data set below `root` with one seed."""
    name, recipe, seed = job
    paths = (str(root / name / "dataset"), str(root / name / "item_embeddings"))
    module = "benchmarks.support.train_recipe"
    found, _ = run("-m", module, *paths, recipe, str(seed), per_user(root, job), threads=threads)
    print(f"{name} {recipe} seed {seed}: {json.dumps(found)}", flush=True)
    return found


def per_user(root: Path, job: Job) -> str:
    """The file with the metrics of each user."""
    return str(root / f"{'-'.join(map(str, job))}.npz")


def train_side_by_side(root: Path, jobs: Sequence[Job]) -> dict[Job, Figures]:
    """As many at once as there are cores, each on one: faster than one after the other on all."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(partial(train, root, threads=1), jobs)
        return dict(zip(jobs, found, strict=True))


def peer_python() -> str:
    """The interpreter of an environment with RecBole."""
    folder = WORK / "recbole"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER], check=True)
    return str(python)
