"""`towerflow store stats | verify | compact`: looking after an embedding store."""

from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from towerflow.cli_cache import store_root
from towerflow.embedding import store_care

app = typer.Typer(no_args_is_help=True, help="Look after an embedding store.")
console = Console(highlight=False)

Root = Annotated[
    str,
    typer.Option(
        "--embedding-store",
        help="Root of the store, local or gs://.",
        show_default="in the cache",
    ),
]


@app.command()
def stats(embedding_store: Root = "") -> None:
    """Show what each encoder has in the store."""
    table = Table("encoder", "pooling", "tokens", "precision", "texts", "doubled", "parts", "size")
    for column in table.columns[4:]:
        column.justify = "right"
    for store in store_care.stores(store_root(embedding_store)):
        found = store_care.stats(store)
        settings = found.encoder.settings
        table.add_row(
            f"{found.encoder.name} {found.encoder.fingerprint[:8]}",
            f"{settings.pooling.value}{', l2' if settings.l2 else ''}",
            f"{settings.max_tokens}",
            settings.precision.value,
            f"{found.texts:,}",
            f"{found.doubled:,}",
            f"{found.parts:,}",
            decimal(found.bytes),
        )
    console.print(table)


@app.command()
def verify(embedding_store: Root = "") -> None:
    """Read every part of the store and check it; exit code 1 if one is not as it should be."""
    damaged = 0
    for store in store_care.stores(store_root(embedding_store)):
        found = store_care.verify(store)
        damaged += len(found)
        for sentence in found:
            console.print(sentence, markup=False, soft_wrap=True)
        console.print(
            f"{store.folder}: {len(store.parts()):,} parts read, {len(found)} wrong",
            soft_wrap=True,
        )
    if damaged:
        raise typer.Exit(1)


@app.command()
def compact(embedding_store: Root = "") -> None:
    """Write few large parts instead of many small ones; safe while others read and write."""
    for store in store_care.stores(store_root(embedding_store)):
        for line in store_care.compact(store):
            console.print(f"{store.folder}: {line}", soft_wrap=True)
