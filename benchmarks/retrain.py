"""The whole product as a newcomer meets it: a fresh clone, empty caches, `make run`, `make test`.

No peer: the bars are absolute, for 2 cores. Takes about 20 minutes; needs the package registry.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from kfp import components, dsl, local

from benchmarks.support.measure import bar, measured, report

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "bench" / "retrain"
RELEASES = "towerflow-out/releases/ml-100k"
NOOP_TASKS = 20
REPEATS = 3


def overhead_per_task() -> float:
    """Seconds that KFP's local runner adds to a task: a chain of tasks that do nothing."""
    folder = WORK / "noop"
    shutil.rmtree(folder, ignore_errors=True)

    @dsl.component(base_image="python:noop", install_kfp_package=False)
    def noop(number: int) -> int:
        return number + 1

    @dsl.pipeline(name="chain")
    def chain() -> int:
        number = noop(number=0)
        for _ in range(NOOP_TASKS - 1):
            number = noop(number=number.output)
        return number.output

    from kfp.compiler import Compiler

    folder.mkdir(parents=True)
    Compiler().compile(chain, str(folder / "chain.yaml"))
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder),
        enable_caching=False,
    )
    pipeline = components.load_component_from_file(str(folder / "chain.yaml"))
    times = []
    for _ in range(REPEATS):
        started = time.monotonic()
        pipeline()
        times.append(time.monotonic() - started)
    return statistics.median(times) / NOOP_TASKS


def main() -> None:
    """Clone, run twice, test, and print the bars."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    clone = WORK / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    env = {**os.environ, "XDG_CACHE_HOME": str(WORK / "cache"), "PIP_NO_CACHE_DIR": "1"}

    first_seconds, memory, output = measured(["make", "run"], clone, env)
    print(output)
    second_seconds, _, _ = measured(["make", "run"], clone, env)
    pointer = json.loads((clone / RELEASES / "current.json").read_text("utf-8"))
    release = clone / RELEASES / "releases" / pointer["release_id"]
    metrics = json.loads((release / "metrics.json").read_text("utf-8"))
    ndcg = metrics["model"]["ndcg@10"]
    popularity = metrics["baselines"]["popularity"]["ndcg@10"]
    content = metrics["baselines"]["content_mean"]["ndcg@10"]

    test_seconds, _, output = measured(["make", "test"], clone, env)
    total = re.search(r"^TOTAL\s.*?(\d+)%$", output, re.MULTILINE)
    assert total, output
    coverage = int(total[1])
    overhead = overhead_per_task()

    bars = [
        bar("first make run", first_seconds, "s", "<= 900", holds=first_seconds <= 900),
        bar("peak memory", memory, "GB", "<= 6", holds=memory <= 6),
        bar("second make run", second_seconds, "s", "<= 90", holds=second_seconds <= 90),
        bar("DAG overhead per task", overhead, "s", "<= 0.3", holds=overhead <= 0.3),
        bar("NDCG@10, LEARN / popularity", ndcg / popularity, "×", "> 1", holds=ndcg > popularity),
        bar("NDCG@10, LEARN / content mean", ndcg / content, "×", "> 1", holds=ndcg > content),
        bar("make test", test_seconds, "s", "<= 600", holds=test_seconds <= 600),
        bar("line coverage of src", coverage, "%", ">= 90", holds=coverage >= 90),
    ]
    report("retrain", bars)


if __name__ == "__main__":
    main()
