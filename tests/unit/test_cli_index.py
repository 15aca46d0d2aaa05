"""Options of the index become pipeline arguments, checked before anything runs."""

from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.refresh_items import refresh_items
from pipelines.retrain import retrain
from tests.conftest import EXPORT_INDEX
from towerflow import cli_index
from towerflow.cli import app
from towerflow.errors import InputError


def test_arguments_are_what_was_given() -> None:
    found = cli_index.arguments("ivf_pq", 0.95, 200, ["vertex", "parquet"])
    assert found == {
        "index_kind": "ivf_pq",
        "recall_target": 0.95,
        "index_memory": 200,
        "export_formats": ["vertex", "parquet"],
    }


def test_if_nobody_says_otherwise_they_are_the_steps_own() -> None:
    own = cli_index.DEFAULTS
    found = cli_index.arguments(own.kind, own.recall_target, own.memory_limit, None)
    assert found == {
        name.replace("memory_limit", "index_memory"): value for name, value in EXPORT_INDEX.items()
    }


@pytest.mark.parametrize("pipeline", [retrain, refresh_items])
def test_pipelines_have_such_arguments_and_the_same_defaults(pipeline: Any) -> None:
    inputs = pipeline.component_spec.inputs
    own = cli_index.DEFAULTS
    found = cli_index.arguments(own.kind, own.recall_target, own.memory_limit, [])
    assert {name: inputs[name].default for name in found} == found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("flat", 0.9, 0, None), "index_kind: expected auto or exact or"),
        (("auto", 1.5, 0, None), "recall_target: expected above 0, at most 1, found 1.5"),
        (("auto", 0.9, -5, None), "memory_limit: expected 0 or more, found -5"),
        (("auto", 0.9, 0, ["csv"]), "export_formats: expected parquet or vertex, found csv"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(given: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cli_index.arguments(*given)


@pytest.mark.parametrize("command", ["run", "refresh"])
def test_help_names_kinds_and_formats(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    for text in ("--index-kind", "--recall-target", "--index-memory", "--export-format"):
        assert text in done.output
    assert "auto, exact, ivf, ivf_sq8, ivf_pq, hnsw" in done.output
    assert "parquet or vertex" in done.output
