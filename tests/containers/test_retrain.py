"""The compiled pipeline with every step in a container of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHOP, SMALL_RECIPE

ENVIRONMENT = """
description: Containers without a network, held as restricted pods are.
images: {{cpu: {image}, gpu: {image}}}
docker_network: none
every_step: {{memory_limit: {memory}, timeout_seconds: {seconds}}}
"""
STEPS = ["preprocess", "embed_items", "embed_items", "merge_embeddings", "train", "evaluate"]
STEPS += ["gate", "export_index", "publish"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, tiny_encoder: Path) -> Run:
    """Runs retrain over the shop, in containers if an image is given."""
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    for path in (encoder, *encoder.iterdir()):  # the containers of root are not root
        path.chmod(0o755)
    recipe = tmp_path / "small.yaml"
    recipe.write_text(SMALL_RECIPE, "utf-8")
    options = ["--items", str(SHOP / "items.jsonl")]
    options += ["--interactions", str(SHOP / "interactions.csv")]
    options += ["--recipe", str(recipe), "--model", str(encoder), "--num-shards", "2"]

    def start(
        name: str,
        image: str = "",
        memory: str = "3Gi",
        seconds: int = 600,
        more: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / name
        folder.mkdir()
        if image:
            environment = folder / "containers.yaml"
            settings = ENVIRONMENT.format(image=image, memory=memory, seconds=seconds)
            environment.write_text(settings, "utf-8")
            more = (*more, "--env", str(environment))
        return subprocess.run(
            [sys.executable, "-m", "towerflow", "run", *options, *more],
            cwd=folder,
            env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )

    return start


def metrics(folder: Path) -> Any:
    """What the evaluation wrote."""
    (path,) = folder.glob("towerflow-out/shop/kfp/artifacts/*/evaluate/metrics/metrics.json")
    return json.loads(path.read_text("utf-8"))


def derived(client: Any, image: str, line: str, tmp_path: Path) -> str:
    """The image with something changed in it."""
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\n{line}\n", "utf-8")
    built, _ = client.images.build(path=str(tmp_path), tag="towerflow-test:changed", rm=True)
    return str(built.tags[0])


def test_containers_come_to_what_processes_come_to(run: Run, image: str, tmp_path: Path) -> None:
    contained = run("containers", image)
    assert contained.returncode == 0, contained.stdout + contained.stderr
    for step in set(STEPS):
        assert contained.stdout.count(f"{step}: success in") == STEPS.count(step)
    written = [*tmp_path.glob("containers/towerflow-out/shop/kfp/artifacts/*/*/*")]
    assert {path.stat().st_uid for path in written} == {os.getuid() or 65532}  # nothing is root's
    alone = run("processes")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    ours, theirs = metrics(tmp_path / "containers"), metrics(tmp_path / "processes")
    # Ends of intervals over resampled users differ by rounding, in the fourteenth digit.
    intervals, others = ours.pop("changes"), theirs.pop("changes")
    assert ours == theirs
    assert list(intervals) == list(others)
    for baseline, interval in intervals.items():
        assert interval == pytest.approx(others[baseline], rel=1e-9, abs=1e-9)


def with_step(client: Any, image: str, step: str, code: str, tmp_path: Path) -> str:
    """The image with another program in place of a step."""
    module = f"/opt/venv/lib/python3.11/site-packages/towerflow/steps/{step}.py"
    (tmp_path / "step.py").write_text(code, "utf-8")
    return derived(client, image, f"COPY step.py {module}", tmp_path)


def test_a_step_that_takes_too_much_memory_fails_the_run(
    run: Run, image: str, client: Any, tmp_path: Path
) -> None:
    """Far too much at once: near its limit a container only becomes slow."""
    greedy = with_step(client, image, "preprocess", "held = b'x' * 10**9\n", tmp_path)
    done = run("memory", greedy, memory="500Mi")
    assert done.returncode == 1
    assert "task preprocess failed" in done.stderr
    assert "preprocess was ended for taking more than memory_limit: 500Mi" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_step_that_takes_too_long_fails_the_run(run: Run, image: str) -> None:
    done = run("time", image, seconds=1)
    assert done.returncode == 1
    assert "task preprocess failed" in done.stderr
    assert "preprocess was ended after timeout_seconds: 1" in done.stderr


def test_a_step_that_ends_at_once_is_no_success(
    run: Run, image: str, client: Any, tmp_path: Path
) -> None:
    """Docker removes such a container before kfp asks (kubeflow/pipelines#13332)."""
    silent = derived(client, image, 'ENTRYPOINT ["false"]', tmp_path)
    done = run("false", silent)
    assert done.returncode == 1
    assert "preprocess ended with exit code 1" in done.stderr


def test_a_crash_is_told_with_the_step_and_its_last_lines(
    run: Run, image: str, client: Any, tmp_path: Path
) -> None:
    crash = with_step(client, image, "train", "raise SystemError('the tower fell')\n", tmp_path)
    done = run("crash", crash)
    assert done.returncode == 1
    assert "task train failed" in done.stderr
    assert "the tower fell" in done.stderr
    assert "train ended with exit code 1" in done.stderr


def test_a_user_s_mistake_inside_a_container_is_one_sentence(run: Run, image: str) -> None:
    done = run("mistake", image, more=("--column", "item_id=sku"))
    assert done.returncode == 2
    assert "sku" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_data_that_the_containers_may_not_read_is_named_before_anything_starts(
    run: Run, image: str, tmp_path: Path
) -> None:
    hidden = tmp_path / "locked"
    hidden.mkdir(mode=0o700)
    shutil.copy(SHOP / "items.jsonl", hidden)
    hidden.chmod(0o000 if os.getuid() else 0o700)
    done = run("hidden", image, more=("--release-root", str(hidden)))
    assert done.returncode == 2
    assert f"{hidden}: expected a path that containers of user" in done.stderr
    assert "preprocess" not in done.stdout


def test_an_image_that_is_not_there_is_named(run: Run, image: str) -> None:
    done = run("nowhere", "towerflow-cpu:nowhere")
    assert done.returncode == 2
    assert "towerflow-cpu:nowhere: expected an image on this machine" in done.stderr
