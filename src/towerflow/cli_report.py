"""`towerflow report`: the newest report, in the browser."""

import webbrowser
from pathlib import Path
from typing import Annotated, Final

import typer

from towerflow.cli_output import DEFAULT_OUTPUT, Output, announce
from towerflow.errors import InputError

REPORT: Final = "report.html"


def report(
    path: Annotated[
        Path | None,
        typer.Argument(help="A report, or a folder of runs.", show_default="the output folder"),
    ] = None,
    output: Output = DEFAULT_OUTPUT,
    is_opened: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser, or only say where.")
    ] = True,
) -> None:
    """Open the newest report of a run or a comparison in the browser."""
    found = find_report(path or output).absolute()
    announce(str(found))
    if is_opened and not webbrowser.open(found.as_uri()):
        announce("no browser was found; open the file with one")


def find_report(place: Path) -> Path:
    """The file that is named, or the newest report below a folder.

    Raises:
        InputError: there is none.
    """
    if place.is_file():
        return place
    hint = "towerflow run writes one"
    if not place.is_dir():
        raise InputError(place, expected="a report or a folder", found="nothing there", hint=hint)
    # Of equally old ones always the same.
    reports = sorted(place.rglob(REPORT), key=lambda file: (file.stat().st_mtime, str(file)))
    if not reports:
        raise InputError(place, expected=f"a {REPORT} below it", found="none", hint=hint)
    return reports[-1]
