"""The display of a run: every line in a log, a bar on a terminal."""

import io

import pytest
from rich.console import Console

from towerflow.run_display import run_display

LINES = [
    "  train …",
    "    train: 5/20 epochs, 1 epoch in 5.9 s, 1:28 left, loss 5.806",
    "    train: 20/20 epochs, 1 epoch in 5.9 s, done in 1:58",
    "  train: success in 2:00",
]


def shown(*, terminal: bool) -> str:
    """What LINES look like."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=120, color_system=None)
    with run_display(console) as announce:
        for line in LINES:
            announce(line)
    return output.getvalue()


def test_in_a_log_every_line_stays() -> None:
    assert shown(terminal=False).splitlines() == LINES


def test_on_a_terminal_what_is_under_way_becomes_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = shown(terminal=True)
    assert "━" in text
    assert "5/20 epochs, 1 epoch in 5.9 s, 1:28 left, loss 5.806" in text
    assert LINES[1] not in text
    for line in (LINES[0], LINES[2], LINES[3]):
        assert line in text


@pytest.mark.parametrize("line", ["a [bold] title: 3/4", "[red]not markup[/red]"])
def test_other_lines_are_printed_as_they_are(line: str) -> None:
    output = io.StringIO()
    with run_display(Console(file=output, force_terminal=True, width=120)) as announce:
        announce(line)
    assert line in output.getvalue()
