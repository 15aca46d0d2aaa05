"""`towerflow report`: the newest report is opened, or told where it lies."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from towerflow import cli_report
from towerflow.cli import app
from towerflow.errors import InputError


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the browser was asked to open."""
    addresses: list[str] = []

    def open_(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(cli_report.webbrowser, "open", open_)
    return addresses


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output folder of two runs, the second one newer, and other files that are newer still."""
    for age, name in ((200, "shop"), (100, "shop-compare"), (0, "shop/kfp")):
        (tmp_path / name).mkdir()
        file = tmp_path / name / ("report.html" if age else "other.html")
        file.write_text("<p>report</p>")
        os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))
    return tmp_path


def towerflow(*arguments: str) -> str:
    """What is printed, without line breaks of the terminal."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "400"})
    assert done.exit_code == 0
    return done.output.strip()


def test_the_newest_report_below_the_output_folder_is_opened(
    output: Path, opened: list[str]
) -> None:
    newest = output / "shop-compare" / "report.html"
    assert towerflow("report", "--output", str(output)) == str(newest)
    assert opened == [newest.as_uri()]


def test_a_folder_or_a_file_can_be_named(output: Path, opened: list[str]) -> None:
    older = output / "shop" / "report.html"
    assert towerflow("report", str(output / "shop")) == str(older)
    assert towerflow("report", str(older)) == str(older)
    other = output / "shop" / "kfp" / "other.html"
    assert towerflow("report", str(other)) == str(other)
    assert opened == [older.as_uri(), older.as_uri(), other.as_uri()]


def test_no_open_only_says_where(output: Path, opened: list[str]) -> None:
    assert towerflow("report", "--output", str(output), "--no-open").endswith("report.html")
    assert opened == []


def test_a_relative_path_is_opened_as_a_whole_one(
    output: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(output)
    towerflow("report", "shop")
    assert opened == [(output / "shop" / "report.html").as_uri()]


def test_without_a_browser_it_is_said(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_report.webbrowser, "open", lambda address: False)
    assert "no browser was found" in towerflow("report", "--output", str(output))


@pytest.mark.parametrize(
    ("name", "sentence"), [("empty", "a report.html below"), ("no", "nothing")]
)
def test_no_report_is_said(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=sentence):
        CliRunner().invoke(app, ["report", str(tmp_path / name)], catch_exceptions=False)
