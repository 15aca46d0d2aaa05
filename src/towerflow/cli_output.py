"""Where a command's lines and files go."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

DEFAULT_OUTPUT: Final = Path("towerflow-out")
Output = Annotated[Path, typer.Option(help="Folder for all that a run writes.")]

console = Console(highlight=False)


def announce(line: str) -> None:
    """Print a line of progress at once."""
    console.print(line, markup=False, emoji=False, soft_wrap=True)
