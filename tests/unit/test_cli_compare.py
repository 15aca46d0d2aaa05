"""`towerflow compare`: the options of `run`, mistakes first; it runs in tests/pipelines."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import SHOP
from towerflow import cli_compare
from towerflow.cli import app, run
from towerflow.errors import InputError

SHOP_OPTIONS = ["--items", str(SHOP / "items.jsonl")]
SHOP_OPTIONS += ["--interactions", str(SHOP / "interactions.csv")]
OF_RUN_ALONE = {
    "recipe",
    "seed",
    "initial_model",
    "checkpoints",
    "release_root",
    "previous_dataset",
    "gate_margin",
    "guarded_slice",
    "slice_margin",
    "coverage_margin",
    "force",
    "index_kind",
    "recall_target",
    "index_memory",
    "export_format",
    "env",
}


def test_data_and_encoder_are_chosen_as_in_run() -> None:
    """Same names, same defaults."""
    ours, theirs = (
        {
            name: parameter.default
            for name, parameter in inspect.signature(command).parameters.items()
        }
        for command in (cli_compare.compare, run)
    )
    assert set(theirs) - set(ours) == OF_RUN_ALONE
    assert set(ours) - set(theirs) == {"recipes", "seeds"}
    for name in set(ours) & set(theirs):
        assert ours[name] == theirs[name], name


def test_recipes_seeds_and_slices_reach_the_pipeline(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, Any] = {}

    def pipeline(name: str, arguments: dict[str, Any], *_: object) -> dict[str, str]:
        taken.update(arguments, pipeline=name)
        raise InputError("stop", expected="nothing more", found="it")

    monkeypatch.setattr(cli_compare, "run_pipeline", pipeline)
    text = "description: mine\nmodel: {kind: popularity}\n"
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    recipes = ["--recipes", "learn", "--recipes", str(tmp_path / "mine.yaml"), "--seeds", "3"]
    slices = ["--slice-column", "brand", "--slice-column", "country"]
    done = CliRunner().invoke(
        app, ["compare", *recipes, *slices, *SHOP_OPTIONS, "--model", str(tiny_encoder)]
    )
    assert isinstance(done.exception, InputError), done.output
    assert taken["pipeline"] == "compare_models"
    assert (taken["recipes"], taken["seeds"]) == (["learn", text], [0, 1, 2])
    assert taken["slice_columns"] == ["brand", "country"]
    assert "running compare_models on shop, 4 trials" in done.output  # popularity draws nothing


@pytest.mark.parametrize(
    ("recipes", "sentence"),
    [
        (["learn", "lern"], "found 'lern'"),
        (["ease", "ease"], "each recipe once"),
        (["no.yaml"], "a recipe file, found nothing there"),
    ],
)
def test_mistakes_are_told_before_anything_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, recipes: list[str], sentence: str
) -> None:
    monkeypatch.setattr(cli_compare, "find_data", None)  # not called
    options = [part for recipe in recipes for part in ("--recipes", recipe)]
    done = CliRunner().invoke(app, ["compare", *options])
    assert isinstance(done.exception, InputError)
    assert sentence in str(done.exception)


@pytest.mark.parametrize("options", [[], ["--recipes", "learn", "--seeds", "0"]])
def test_no_recipes_or_seeds_are_refused(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["compare", *options]).exit_code == 2


def test_a_pattern_stands_for_all_recipes_that_it_fits() -> None:
    named = cli_compare._named("llminit-sg?-pca")
    assert named == ["llminit-sgl-pca"]
    assert cli_compare._named("llminit-paper-sgl*") == [
        "llminit-paper-sgl",
        "llminit-paper-sgl-rand",
        "llminit-paper-sgl-uni",
        "llminit-paper-sgl-var",
    ]
    assert cli_compare._named("mine.yaml") == ["mine.yaml"]
    assert cli_compare._named("nothing-*") == ["nothing-*"]  # refused where names are
