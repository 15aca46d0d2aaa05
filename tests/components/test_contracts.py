"""One name per step, thin faces, and nobody imports what is not theirs."""

import ast
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.compiling import PIPELINES, pipeline

ROOT = Path(__file__).parents[2]
STEPS = sorted(path.parent.name for path in ROOT.glob("components/*/component.py"))
OWN = {"components", "pipelines"}


def component(step: str) -> Any:
    """The KFP component of a step."""
    return getattr(importlib.import_module(f"components.{step}.component"), step)


def step_function(step: str) -> Any:
    """The plain function of a step."""
    return getattr(importlib.import_module(f"towerflow.steps.{step}"), step)


def imported_modules(path: Path, *, anywhere: bool) -> set[str]:
    """Top-level packages that a file imports, at module level or anywhere in it."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = ast.walk(tree) if anywhere else iter(tree.body)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_the_steps_are_those_of_the_design() -> None:
    assert STEPS == [
        "champion",
        "compare",
        "embed_items",
        "evaluate",
        "export_index",
        "gate",
        "list_trials",
        "merge_embeddings",
        "preprocess",
        "publish",
        "train",
    ]


@pytest.mark.parametrize("step", STEPS)
def test_one_string_names_a_step_everywhere(step: str) -> None:
    assert component(step).name == step.replace("_", "-")  # KFP writes dashes
    assert step == importlib.import_module(f"towerflow.steps.{step}").STEP
    assert (ROOT / "tests" / "unit" / "steps" / f"test_{step}.py").is_file()
    assert (ROOT / "components" / step / "README.md").read_text("utf-8").startswith(f"# `{step}`")
    assert f"## `{step}`" in (ROOT / "docs" / "data-contracts.md").read_text("utf-8")


def test_each_step_has_a_component_and_the_other_way_round() -> None:
    modules = {path.stem for path in (ROOT / "src/towerflow/steps").glob("[a-z]*.py")}
    assert modules == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_component_takes_what_its_step_function_takes(step: str) -> None:
    face = inspect.signature(component(step).python_func).parameters
    assert list(face) == list(inspect.signature(step_function(step)).parameters)


@pytest.mark.parametrize("step", STEPS)
def test_a_component_readme_names_every_parameter(step: str) -> None:
    readme = (ROOT / "components" / step / "README.md").read_text("utf-8")
    parameters = inspect.signature(step_function(step)).parameters
    assert [name for name in parameters if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("step", STEPS)
def test_a_component_is_thin(step: str) -> None:
    """No logic: a call, and what the UI is told. Parameters may be many."""
    source = (ROOT / "components" / step / "component.py").read_text("utf-8")
    num_parameters = len(inspect.signature(step_function(step)).parameters)
    assert len(source.splitlines()) - 2 * num_parameters <= 45
    tree = ast.parse(source)
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(function.body) <= 8
    branches = (ast.If, ast.While, ast.Try, ast.With, ast.FunctionDef, ast.Lambda)
    inside = [node for statement in function.body for node in ast.walk(statement)]
    assert not [node for node in inside if isinstance(node, branches)]


@pytest.mark.parametrize("path", sorted(ROOT.glob("components/**/*.py")), ids=str)
def test_components_import_kfp_and_the_standard_library_only(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "kfp", *OWN}
    assert imported_modules(path, anywhere=False) - allowed == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("pipelines/**/*.py")), ids=str)
def test_pipelines_import_kfp_and_the_standard_library_only(path: Path) -> None:
    """A DAG anywhere in it; what compiles and submits DAGs calls the library in its functions."""
    allowed = {*sys.stdlib_module_names, "kfp", "kfp_server_api", *OWN}  # kfp's own client of it
    assert imported_modules(path, anywhere=path.stem in PIPELINES) - allowed == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("src/**/*.py")), ids=str)
def test_the_library_never_imports_kfp(path: Path) -> None:
    assert imported_modules(path, anywhere=True).isdisjoint({"kfp", *OWN})


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_parameter_is_described(name: str) -> None:
    inputs = pipeline(name).component_spec.inputs
    assert inputs
    assert [key for key, spec in inputs.items() if not spec.description] == []
