"""The compiled pipelines are what they were; `make golden` rewrites them after a meant change."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.__main__ import PIPELINES

GOLDEN = Path(__file__).parent / "golden"


def compile_into(folder: Path, image: str) -> None:
    """Compile in a process of its own: images are read when components are imported."""
    images = {"TOWERFLOW_CPU_IMAGE": f"{image}-cpu", "TOWERFLOW_GPU_IMAGE": f"{image}-gpu"}
    subprocess.run(
        [sys.executable, "-m", "pipelines", "compile", "--output", str(folder)],
        env={**os.environ, **images},
        check=True,
        capture_output=True,
    )


def load(path: Path) -> dict[str, Any]:
    """The YAML as an object, without the version of kfp."""
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    document.pop("sdkVersion")
    return document


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pipelines, compiled with made-up images."""
    folder = tmp_path_factory.mktemp("compiled")
    compile_into(folder, "example/towerflow:golden")
    return folder


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_yaml_equals_the_golden_one(compiled: Path, name: str) -> None:
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.copyfile(compiled / f"{name}.yaml", golden)
    assert load(compiled / f"{name}.yaml") == load(golden)


def test_compiling_again_gives_the_same_bytes(compiled: Path, tmp_path: Path) -> None:
    compile_into(tmp_path, "example/towerflow:golden")
    for name in PIPELINES:
        assert (tmp_path / f"{name}.yaml").read_bytes() == (compiled / f"{name}.yaml").read_bytes()


def test_images_come_from_the_environment_as_literals(compiled: Path) -> None:
    executors = load(compiled / "retrain.yaml")["deploymentSpec"]["executors"]
    images = {
        name.removeprefix("exec-"): spec["container"]["image"] for name, spec in executors.items()
    }
    assert images.pop("embed-items") == "example/towerflow:golden-gpu"
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


@pytest.mark.parametrize("name", PIPELINES)
def test_gpus_are_parameters(compiled: Path, name: str) -> None:
    executor = load(compiled / f"{name}.yaml")["deploymentSpec"]["executors"]["exec-embed-items"]
    accelerator = executor["container"]["resources"]["accelerator"]
    for key, parameter in (("resourceType", "gpu_type"), ("resourceCount", "gpu_count")):
        assert accelerator[key] == f"{{{{$.inputs.parameters['pipelinechannel--{parameter}']}}}}"


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
