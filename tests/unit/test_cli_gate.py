"""Options of the gate: mistakes in them are told before anything runs."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import SHOP
from towerflow import cli, cli_gate
from towerflow.cli import app
from towerflow.errors import InputError
from towerflow.evaluation.gating import GUARDED, GateConfig


def guards(named: list[str] | None) -> list[str]:
    """What the pipeline is told to guard."""
    found: list[str] = cli_gate.arguments(0.05, named, 0.1, 0.25, "")["guarded_slices"]
    return found


def test_those_that_are_named_are_guarded_in_place_of_the_usual_ones() -> None:
    assert guards(None) == list(GUARDED) == list(GateConfig().guarded_slices)
    assert guards(["text: none"]) == ["text: none"]
    assert guards(["history: *=0.05", "text: none"]) == ["history: *=0.05", "text: none"]


def test_an_empty_name_guards_nothing() -> None:
    assert guards([""]) == []
    assert guards([]) == []
    assert guards(["", "history: cold"]) == ["history: cold"]


def test_what_may_be_a_column_is_found_out_with_the_data() -> None:
    assert guards(["country: NL=0.1", "brand: *"]) == ["country: NL=0.1", "brand: *"]


MISTAKES = [
    (["history: colt"], "found 'history: colt'"),
    (["history: cold", "popularity: all"], "found 'popularity: all'"),
    (["as if new: last 1"], "found 'as if new: last 1'"),
    (["history: cold=2"], "a margin from 0 to below 1, found 2"),
    (["country: NL=nan"], "a margin from 0 to below 1, found nan"),
]


@pytest.mark.parametrize(("named", "sentence"), MISTAKES)
def test_what_is_a_mistake_on_any_data_is_refused(named: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        guards(named)


def fail(*_: Any, **__: Any) -> None:
    raise AssertionError("something ran")


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `run` looks for or starts fails."""
    for name in ("find_data", "resolve_precision", "run_pipeline"):
        monkeypatch.setattr(cli, name, fail)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(("named", "sentence"), MISTAKES)
def test_run_tells_them_first(named: list[str], sentence: str) -> None:
    options = [part for name in named for part in ("--guarded-slice", name)]
    done = CliRunner().invoke(app, ["run", *options])
    assert isinstance(done.exception, InputError), done.output
    assert sentence in str(done.exception)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("option", ["--gate-margin", "--slice-margin", "--coverage-margin"])
@pytest.mark.parametrize("value", ["-0.1", "1", "1.5", "nan", "much"])
def test_run_tells_margins_that_are_none_first(option: str, value: str) -> None:
    """The gate takes a share from 0 to below 1."""
    done = CliRunner().invoke(app, ["run", option, value])
    assert done.exit_code == 2 or isinstance(done.exception, InputError), done.exception


def test_guards_reach_the_pipeline(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they were named, or the usual ones, or none."""
    taken: list[list[str]] = []

    def pipeline(name: str, arguments: dict[str, Any], *_: object) -> dict[str, str]:
        taken.append(arguments["guarded_slices"])
        raise InputError("stop", expected="nothing more", found="it")

    monkeypatch.setattr(cli, "run_pipeline", pipeline)
    monkeypatch.chdir(tmp_path)
    data = ["--items", str(SHOP / "items.jsonl"), "--model", str(tiny_encoder)]
    data += ["--interactions", str(SHOP / "interactions.csv")]
    for options in ([], ["--guarded-slice", ""], ["--guarded-slice", "brand: *=0.1"]):
        done = CliRunner().invoke(app, ["run", *data, *options])
        assert isinstance(done.exception, InputError), done.output
        assert str(done.exception).startswith("stop")
    assert taken == [list(GUARDED), [], ["brand: *=0.1"]]
