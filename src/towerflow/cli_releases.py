"""`towerflow releases list | show | diff | rollback | prune`: looking after a release root."""

import json
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from towerflow.cli_output import announce, console
from towerflow.cli_serve import only_release_root
from towerflow.errors import InputError
from towerflow.retrieval.item_index import IndexRecord
from towerflow.retrieval.pointer import How, Pointer
from towerflow.retrieval.release_diff import diff as compare
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import Manifest

app = typer.Typer(no_args_is_help=True, help="Look after published releases.")
SHOWN_ITEMS = 10
MINUTES = len("2026-01-31T23:59")

Root = Annotated[
    str,
    typer.Option(
        "--release-root",
        help="Release root: a folder, gs:// or s3://.",
        show_default="the only one below towerflow-out/releases",
    ),
]


@app.command("list")
def list_(release_root: Root = "") -> None:
    """List the releases, those that were current last first; an arrow marks the current one."""
    root, pointer = _open(release_root)
    table = Table("", "release", "went live, UTC", "items", "index", "size")
    table.columns[1].no_wrap = table.columns[2].no_wrap = True
    for column in (table.columns[3], table.columns[5]):
        column.justify = "right"
    for release_id in _newest_first(root, pointer):
        mark = "→" if release_id == pointer.release_id else ""
        try:
            manifest = root.manifest(release_id)
            index = IndexRecord.of(root.folder(release_id), manifest.details)
        except InputError:  # the others can still be rolled back to
            table.add_row(mark, release_id, _last_live(pointer, release_id), "damaged")
            continue
        table.add_row(
            mark,
            release_id,
            _last_live(pointer, release_id) + (", forced" if _forced(manifest) else ""),
            f"{manifest.counts['items']:,}",
            f"{index.kind.value}, {index.recall:.4f}",
            decimal(sum(entry.bytes for entry in manifest.files.values())),
        )
    console.print(table)


@app.command()
def show(
    release: Annotated[str, typer.Argument(help="Id.", show_default="the current one")] = "",
    release_root: Root = "",
) -> None:
    """Show what a release is, what made it and when it was current."""
    root, pointer = _open(release_root)
    release_id = release or pointer.release_id
    manifest = root.manifest(release_id)
    console.print(f"release  {release_id}", soft_wrap=True)
    console.print(f"folder   {root.folder(release_id)}", soft_wrap=True)
    for move in pointer.history:
        if move.release_id == release_id:
            console.print(f"live     {move.at} (move {move.number}, {move.how.value})")
    index = IndexRecord.of(root.folder(release_id), manifest.details)
    console.print(f"index    {index.in_words}", soft_wrap=True)
    for name, entry in manifest.files.items():
        console.print(f"file     {name}, {decimal(entry.bytes)}", soft_wrap=True)
    console.print_json(
        json.dumps(
            {"counts": manifest.counts, "inputs": manifest.inputs, "details": manifest.details}
        )
    )


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Id.", show_default="the one before")] = "",
    after: Annotated[str, typer.Argument(help="Id.", show_default="the current one")] = "",
    release_root: Root = "",
) -> None:
    """Show what changed from a release to another."""
    root, pointer = _open(release_root)
    after = after or pointer.release_id
    before = before or _required_previous(root, pointer)
    found = compare(root, before, after)
    table = Table("", before, after)
    for name, (old, new) in found.counts.items():
        table.add_row(name, _number(old), _number(new))
    for name, measured in found.metrics.items():
        table.add_row(name, *(f"{value:.4f}" for value in measured))
    for name, (was, is_now) in found.details.items():
        table.add_row(name, _text(was), _text(is_now))
    console.print(table)
    for what, items in (("new", found.new), ("gone", found.gone), ("changed", found.changed)):
        some = f": {', '.join(items[:SHOWN_ITEMS])}" if items else ""
        more = " …" if len(items) > SHOWN_ITEMS else ""
        console.print(f"{what:<8} {len(items):,} items{some}{more}", soft_wrap=True)
    console.print(f"vectors  {'can' if found.same_vector_space else 'cannot'} be compared")


@app.command()
def rollback(
    release: Annotated[str, typer.Argument(help="Id.", show_default="the one before")] = "",
    release_root: Root = "",
) -> None:
    """Make an earlier release the current one again."""
    root, pointer = _open(release_root)
    release_id = release or _required_previous(root, pointer)
    root.manifest(release_id)
    if release_id == pointer.release_id:
        raise InputError("rollback", expected="another release than the current", found=release_id)
    root.point_to(release_id, How.ROLLBACK, {pointer.release_id})
    announce(f"{release_id} is the current release, instead of {pointer.release_id}")


@app.command()
def prune(
    keep: Annotated[
        int, typer.Option(min=1, help="How many stay: the current one and what was live last.")
    ] = 5,
    with_overtaken: Annotated[
        bool,
        typer.Option(
            "--with-overtaken",
            help="Delete also what never was current; a publish that is going on then fails.",
        ),
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Finish what a prune began that was killed."),
    ] = False,
    release_root: Root = "",
) -> None:
    """Delete old releases; never the current one."""
    root, _ = _open(release_root)
    gone = root.prune(keep, with_overtaken=with_overtaken, take_over=take_over)
    announce(f"{len(gone)} deleted{': ' if gone else ''}{', '.join(gone)}")


def _open(release_root: str) -> tuple[ReleaseRoot, Pointer]:
    root = ReleaseRoot(release_root or only_release_root())
    pointer = root.pointer()
    if pointer is None:
        raise InputError(root, expected="a release root", found="nothing published there")
    return root, pointer


def _newest_first(root: ReleaseRoot, pointer: Pointer) -> list[str]:
    """Whole releases, by when they were current last; at the end those that never were."""
    there = root.release_ids()
    been_live = dict.fromkeys(move.release_id for move in reversed(pointer.history))
    return [one for one in been_live if one in there] + [
        one for one in there if one not in been_live
    ]


def _last_live(pointer: Pointer, release_id: str) -> str:
    """To the minute."""
    moves = (move.at for move in reversed(pointer.history) if move.release_id == release_id)
    return next(moves, "never: overtaken")[:MINUTES].replace("T", " ")


def _required_previous(root: ReleaseRoot, pointer: Pointer) -> str:
    if pointer.previous is None:
        raise InputError(root, expected="a release before the current one", found="none")
    return pointer.previous


def _forced(manifest: Manifest) -> bool:
    decision = manifest.details.get("decision")
    return isinstance(decision, dict) and bool(decision.get("forced"))


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
