"""Progress: lines now and then in a log, a bar on a terminal."""

import io
import sys

import pytest

from towerflow import progress as module
from towerflow.progress import clock, pace, progress


class Clock:
    """A time that goes on by a second a call."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def test_a_line_now_and_then_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", Clock())
    with progress("embed items", 12, "items") as advance:
        for _ in range(12):
            advance(1)
    assert capsys.readouterr().out.splitlines() == [
        "towerflow: embed items: 5/12 items, 1.0 items/s, 0:07 left",
        "towerflow: embed items: 10/12 items, 1.0 items/s, 0:02 left",
        "towerflow: embed items: 12/12 items, 1.0 items/s, done in 0:12",
    ]


def test_a_note_stands_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 1, "epochs") as advance:
        advance(1, "loss 0.5")
    assert capsys.readouterr().out.endswith(", loss 0.5\n")


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("embed items", 4, "items") as advance:
        advance(4, "done well")
    shown = terminal.getvalue()
    assert "embed items" in shown
    assert "4/4" in shown
    assert "done well" in shown


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(42.51, "42.5 items/s"), (1234.0, "1,234.0 items/s"), (1 / 5.9, "1 item in 5.9 s")],
)
def test_pace(rate: float, text: str) -> None:
    assert pace(rate, "items") == text
