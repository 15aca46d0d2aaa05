"""The compiled pipelines are what they were; `make golden` rewrites them after a meant change."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.compiling import PIPELINES

GOLDEN = Path(__file__).parent / "golden"


DIGEST = f"@sha256:{'0123456789abcdef' * 4}"


def compile_into(folder: Path, image: str, *, env: str = "", digest: str = "") -> None:
    """Compile in a process of its own: images are read when components are imported."""
    images = {
        f"TOWERFLOW_{kind.upper()}_IMAGE": f"{image}-{kind}{digest}" for kind in ("cpu", "gpu")
    }
    subprocess.run(
        [sys.executable, "-m", "pipelines", "compile", "--output", str(folder), "--env", env],
        env={**os.environ, **images},
        check=True,
        capture_output=True,
    )


def load_all(path: Path) -> list[dict[str, Any]]:
    """The documents of the YAML as objects, without the version of kfp."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(path.read_text("utf-8")))
    documents[0].pop("sdkVersion")
    return documents


def load(path: Path) -> dict[str, Any]:
    """The pipeline, where nothing is asked of Kubernetes."""
    [document] = load_all(path)
    return document


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pipelines, compiled with made-up images."""
    folder = tmp_path_factory.mktemp("compiled")
    compile_into(folder, "example/towerflow:golden")
    return folder


@pytest.fixture(scope="module")
def compiled_for_prod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pipelines, compiled for prod."""
    folder = tmp_path_factory.mktemp("prod")
    compile_into(folder, "example/towerflow", env="prod", digest=DIGEST)
    return folder


def check(path: Path, golden: Path) -> None:
    """The same objects; with UPDATE_GOLDEN they become so."""
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, golden)
    assert load_all(path) == load_all(golden)


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_yaml_equals_the_golden_one(compiled: Path, name: str) -> None:
    check(compiled / f"{name}.yaml", GOLDEN / f"{name}.yaml")


@pytest.mark.parametrize("name", PIPELINES)
def test_so_does_that_for_prod(compiled_for_prod: Path, name: str) -> None:
    check(compiled_for_prod / f"{name}.yaml", GOLDEN / "prod" / f"{name}.yaml")


def test_compiling_again_gives_the_same_bytes(
    compiled: Path, compiled_for_prod: Path, tmp_path: Path
) -> None:
    compile_into(tmp_path / "plain", "example/towerflow:golden")
    compile_into(tmp_path / "prod", "example/towerflow", env="prod", digest=DIGEST)
    for first, again in ((compiled, "plain"), (compiled_for_prod, "prod")):
        for name in PIPELINES:
            twice = (first / f"{name}.yaml", tmp_path / again / f"{name}.yaml")
            assert twice[0].read_bytes() == twice[1].read_bytes()


def test_images_come_from_the_environment_as_literals(compiled: Path) -> None:
    executors = load(compiled / "retrain.yaml")["deploymentSpec"]["executors"]
    images = {
        name.removeprefix("exec-"): spec["container"]["image"] for name, spec in executors.items()
    }
    for step in ("embed-items", "train"):
        assert images.pop(step) == "example/towerflow:golden-gpu"
    assert set(images.values()) == {"example/towerflow:golden-cpu"}


def test_the_edges_of_retrain_are_those_of_the_design(compiled: Path) -> None:
    """Who depends on whom; the tasks inside the loop and the condition under their own names."""
    document = load(compiled / "retrain.yaml")
    assert edges(document["root"]["dag"]) == {
        "preprocess": [],
        "shards": ["preprocess"],
        "merge-embeddings": ["shards"],
        "train": ["merge-embeddings", "preprocess"],
        "evaluate": ["merge-embeddings", "preprocess", "train"],
        "gate": ["evaluate"],
        "gate is open": ["evaluate", "gate", "merge-embeddings", "preprocess", "train"],
    }
    components = document["components"]
    assert edges(components["comp-for-loop-1"]["dag"]) == {"embed-items": []}
    assert edges(components["comp-condition-2"]["dag"]) == {
        "export-index": [],
        "publish": ["export-index"],
    }


def test_the_edges_of_refresh_items_lead_past_training(compiled: Path) -> None:
    assert edges(load(compiled / "refresh_items.yaml")["root"]["dag"]) == {
        "champion": [],
        "preprocess": ["champion"],
        "embed-items": ["champion", "preprocess"],
        "export-index": ["champion", "embed-items", "preprocess"],
        "publish": ["champion", "export-index"],
    }


def test_compare_models_refuses_mistakes_first_and_loops_over_trials(compiled: Path) -> None:
    document = load(compiled / "compare_models.yaml")
    assert edges(document["root"]["dag"]) == {
        "list-trials": [],
        "preprocess": ["list-trials"],
        "shards": ["preprocess"],
        "merge-embeddings": ["shards"],
        "trials": ["list-trials", "merge-embeddings", "preprocess"],
        "compare": ["trials"],
    }
    loop = document["components"]["comp-for-loop-2"]["dag"]
    assert edges(loop) == {"train": [], "evaluate": ["train"]}
    taken = loop["tasks"]["train"]["inputs"]["parameters"]
    for name in ("recipe", "seed"):
        selected = f'parseJson(string_value)["{name}"]'
        assert taken[name]["parameterExpressionSelector"] == selected


GPUS = [(name, "embed-items", "gpu_count") for name in PIPELINES]
GPUS += [(name, "train", "train_gpu_count") for name in ("retrain", "compare_models")]


@pytest.mark.parametrize(("name", "step", "count"), GPUS)
def test_gpus_are_parameters(compiled: Path, name: str, step: str, count: str) -> None:
    executor = load(compiled / f"{name}.yaml")["deploymentSpec"]["executors"][f"exec-{step}"]
    accelerator = executor["container"]["resources"]["accelerator"]
    for key, parameter in (("resourceType", "gpu_type"), ("resourceCount", count)):
        assert accelerator[key] == f"{{{{$.inputs.parameters['pipelinechannel--{parameter}']}}}}"


def test_a_loop_takes_in_what_its_tasks_resources_refer_to(compiled: Path) -> None:
    tasks = load(compiled / "compare_models.yaml")["root"]["dag"]["tasks"]
    for loop, count in (("for-loop-1", "gpu_count"), ("for-loop-2", "train_gpu_count")):
        taken = tasks[loop]["inputs"]["parameters"]
        for parameter in ("gpu_type", count):
            assert taken[f"pipelinechannel--{parameter}"] == {"componentInputParameter": parameter}


def edges(dag: dict[str, Any]) -> dict[str, list[str]]:
    """Upstream tasks of each task; loops and conditions by the name that the UI shows."""
    shown = {
        key: task["taskInfo"]["name"] if key.startswith(("for-loop", "condition")) else key
        for key, task in dag["tasks"].items()
    }
    return {
        shown[key]: sorted(shown[name] for name in task.get("dependentTasks", []))
        for key, task in dag["tasks"].items()
    }
