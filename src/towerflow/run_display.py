"""A run as it goes on: lines in a log, and on a terminal a bar for what takes long."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

# What `progress` prints in a step that has no terminal of its own, until the work is done.
_UNDER_WAY = re.compile(
    r" *(?P<what>[\w ]+): (?P<done>[\d,]+)/(?P<total>[\d,]+) (?P<rest>.* left(,.*)?)"
)


@contextmanager
def run_display(console: Console) -> Iterator[Callable[[str], None]]:
    """Yield what is to be told of each line of a run."""
    if not console.is_terminal:
        yield lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    columns = (
        TextColumn("    {task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[rest]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: list[TaskID] = []

        def announce(line: str) -> None:
            while tasks:
                bar.remove_task(tasks.pop())
            if under_way := _UNDER_WAY.fullmatch(line):
                done, total = (int(under_way[part].replace(",", "")) for part in ("done", "total"))
                rest = f"{done:,}/{total:,} {under_way['rest']}"
                task = bar.add_task(under_way["what"], total=total, rest=rest)
                bar.update(task, completed=done)
                bar.refresh()
                tasks.append(task)
            else:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield announce
