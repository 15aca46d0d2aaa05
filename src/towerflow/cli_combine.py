"""`towerflow combine`: several domains as one, to pre-train on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from towerflow.errors import InputError
from towerflow.ingest.combine import combine as combine_domains

console = Console(highlight=False)


def combine(
    domain: Annotated[
        list[str],
        typer.Argument(help="Each as name=folder with items.* and interactions.*."),
    ],
    output: Annotated[Path, typer.Option(help="Folder to write, a source for towerflow run.")],
) -> None:
    """Make one source of several domains; users and items keep apart by the domain's name."""
    domains: dict[str, str] = {}
    for entry in domain:
        name, equals, folder = entry.partition("=")
        if not equals or name in domains:
            raise InputError("domain", expected="name=folder, each name once", found=f"'{entry}'")
        domains[name] = folder
    rows = combine_domains(domains, output)
    console.print(f"{rows['items']:,} items, {rows['interactions']:,} interactions in {output}")
