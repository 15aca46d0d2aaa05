"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SECONDS_BETWEEN_LINES: Final = 5.0


class Advance(Protocol):
    """Tell the progress that `count` more units are done; `note` is shown beside them."""

    def __call__(self, count: int, note: str = "") -> None:
        """Advance."""
        ...


@contextmanager
def progress(what: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the progress of `total` units of work, with rate and time left.

    >>> with progress("embed items", 2, "items") as advance:
    ...     advance(2)
    towerflow: embed items: 2/2 items, ... items/s, done in ...
    """
    if sys.stdout.isatty():
        with _bar(what, total, unit) as advance:
            yield advance
    else:
        yield _Lines(what, total, unit)


class _Lines:
    """A line at most every SECONDS_BETWEEN_LINES, and one at the end."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.started = self.last_line = time.monotonic()

    def __call__(self, count: int, note: str = "") -> None:
        self.done += count
        now = time.monotonic()
        if self.done < self.total and now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        elapsed = max(now - self.started, 1e-6)
        rate = self.done / elapsed
        if self.done < self.total:
            end = f"{clock((self.total - self.done) / rate)} left"
        else:
            end = f"done in {clock(elapsed)}"
        line = f"{self.what}: {self.done:,}/{self.total:,} {self.unit}"
        speed = pace(rate, self.unit)
        print(
            f"towerflow: {line}, {speed}, {end}{f', {note}' if note else ''}",
            flush=True,
        )


class _Rate(ProgressColumn):
    """Units per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(pace(speed, self.unit) if speed else "")


@contextmanager
def _bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(what, total=total, note="")

        def advance(count: int, note: str = "") -> None:
            bar.update(task, advance=count, note=note)

        yield advance


def pace(rate: float, unit: str) -> str:
    """Units per second, or what one takes if that is long: `42.5 items/s`, `1 epoch in 5.9 s`."""
    return (
        f"{rate:,.1f} {unit}/s" if rate >= 1 else f"1 {unit.removesuffix('s')} in {1 / rate:.1f} s"
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, `2:05`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
