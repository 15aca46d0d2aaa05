"""The image, the pipeline in containers, and the compiled YAML, against their bars.

Needs Docker, and takes some 15 minutes the first time. MovieLens-100k with MiniLM, few epochs.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from benchmarks.support.jobs import ROOT, WORK
from benchmarks.support.measure import bar, measured, report
from tests.pipelines.test_environments import EACH, IMAGES, documents, largest
from towerflow.bundled import bundled_encoder

IMAGE = "towerflow-cpu:bench"
REBUILDS = 3
RECIPE = """
description: A few epochs of LEARN.
model: {kind: learn}
training: {epochs: 3}
"""
ENVIRONMENT = f"""
description: Containers without a network.
images: {{cpu: {IMAGE}, gpu: {IMAGE}}}
docker_network: none
every_step: {{memory_limit: 6Gi, timeout_seconds: 1800}}
"""


def build(tree: Path) -> float:
    """Seconds of `make image-cpu` in a copy of the repository."""
    command = ["make", "-C", str(tree), "image-cpu", "REVISION=bench"]
    return measured(command, ROOT, dict(os.environ))[0]


def image_bars() -> Iterator[dict[str, Any]]:
    """What the image takes, and how long a change of code takes to get into it."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
        whole = build(tree)
        seconds = []
        for number in range(REBUILDS):
            with (tree / "src/towerflow/__init__.py").open("a", encoding="utf-8") as code:
                code.write(f"# {time.time_ns()} {number}\n")
            seconds.append(build(tree))
        again = statistics.median(seconds)
        build_again = bar("a change of code, built", again, "s", "≤ 30", holds=again <= 30)
        shutil.copy2(ROOT / "src/towerflow/__init__.py", tree / "src/towerflow/__init__.py")
        build(tree)
    size = docker.from_env().images.get(IMAGE).attrs["Size"] / 1e9
    yield bar("the cpu image", size, "GB", "≤ 1.6", holds=size <= 1.6)
    yield bar("its first build, unless Docker remembers", whole, "s", "shown", holds=True)
    yield build_again


def pipeline_bars() -> Iterator[dict[str, Any]]:
    """The compiled pipeline in containers and in processes, and what becomes of its failures."""
    WORK.mkdir(parents=True, exist_ok=True)
    encoder = bundled_encoder("minilm", WORK / "cache", print)
    subprocess.run(["chmod", "-R", "a+rX", str(encoder)], check=True)  # root's are not root
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        work = Path(folder)
        (work / "few.yaml").write_text(RECIPE, "utf-8")
        (work / "containers.yaml").write_text(ENVIRONMENT, "utf-8")
        found, seconds = {}, {}
        for name, more in (("processes", []), ("containers", ["--env", "containers.yaml"])):
            options = ["--recipe", "few.yaml", "--model", str(encoder), "--output", name]
            command = [sys.executable, "-m", "towerflow", "run", *options, *more]
            # A store of its own: what is embedded already would be skipped.
            env = {**os.environ, "XDG_CACHE_HOME": str(work / name / "cache")}
            seconds[name], _, _ = measured(command, work, env)
            (path,) = (work / name).glob("*/kfp/artifacts/*/evaluate/metrics/metrics.json")
            found[name] = json.loads(path.read_text("utf-8"))
            found[name].pop("changes")  # intervals, equal but for rounding
    same = found["processes"] == found["containers"]
    yield bar("containers, metrics unlike those of processes", not same, "", "0", holds=same)
    more = seconds["containers"] - seconds["processes"]
    yield bar("the run in containers takes longer by", more, "s", "shown", holds=True)
    command = [sys.executable, "-m", "pytest", "-q", "tests/containers/test_retrain.py"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TOWERFLOW_TEST_IMAGE": IMAGE}, check=False
    )
    title = "exit code, memory, time: failures not told with step and last lines"
    yield bar(title, done.returncode, "", "0", holds=done.returncode == 0)


def yaml_bars() -> Iterator[dict[str, Any]]:
    """The YAML of every pipeline and environment; that it parses is the tests' business."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder)
        for env in sorted({env for env, _ in EACH}):
            command = [sys.executable, "-m", "pipelines", "compile", "--env", env]
            command += ["--output", str(compiled / env)]
            measured(command, ROOT, {**os.environ, **IMAGES})
        sizes = [(compiled / env / f"{name}.yaml").stat().st_size for env, name in EACH]
        arguments = [
            len(json.dumps(largest(documents(compiled, env, name)[0])).encode())
            for env, name in EACH
        ]
    command = [sys.executable, "-m", "pytest", "-q", "tests/pipelines/test_environments.py"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    title = "YAML that official protobufs or Kubernetes refuse, undescribed parameters"
    yield bar(title, done.returncode, "", "0", holds=done.returncode == 0)
    yield bar("the largest YAML", max(sizes) / 1e3, "kB", "< 200", holds=max(sizes) < 200_000)
    large = max(arguments)
    yield bar("parameters at their largest", large, "B", "< 8,000", holds=large < 8_000)


def main() -> None:
    """Measure all of it."""
    report("containers", [*image_bars(), *pipeline_bars(), *yaml_bars()])


if __name__ == "__main__":
    main()
