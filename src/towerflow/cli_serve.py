"""`towerflow recommend | similar`: ask a release, as a service would."""

from typing import Annotated

import typer

from towerflow.cli_output import DEFAULT_OUTPUT, announce, console
from towerflow.errors import InputError
from towerflow.retrieval.release import Release
from towerflow.summary import print_recommendations

ReleaseRoot = Annotated[
    str,
    typer.Option(
        help="Release root or release: a folder, gs:// or s3://.",
        show_default="the only one below towerflow-out/releases",
    ),
]
NumResults = Annotated[int, typer.Option("--k", help="How many.")]
Only = Annotated[list[str] | None, typer.Option(help="Title or id of what may be found; repeat.")]
Without = Annotated[
    list[str] | None, typer.Option(help="Title or id of what may not be found; repeat.")
]


def recommend(
    liked: Annotated[
        list[str] | None, typer.Option(help="Title or id of a liked item, oldest first; repeat.")
    ] = None,
    user: Annotated[str, typer.Option(help="Id of a user of the training data.")] = "",
    k: NumResults = 10,
    only: Only = None,
    without: Without = None,
    release_root: ReleaseRoot = "",
) -> None:
    """Recommend from the current release, to a known user or after some liked items."""
    if bool(liked) == bool(user):
        raise InputError("recommend", expected="either --liked or --user", found="none or both")
    release = Release.open(release_root or only_release_root())
    history = release.history_of(user) if user else _ids(release, liked)
    found = release.recommend(
        [] if user else history,
        user=user,
        k=k,
        allow=_ids(release, only) if only else None,
        deny=_ids(release, without),
    )
    print_recommendations(
        console,
        f"user {user}, newest first" if user else "liked, newest first",
        release.titles(history[::-1][: max(k, 10)]),
        [f"{item.title}  {item.score:.3f}" for item in found],
    )


def similar(
    item: Annotated[str, typer.Option(help="Title or id.")],
    k: NumResults = 10,
    only: Only = None,
    without: Without = None,
    release_root: ReleaseRoot = "",
) -> None:
    """List the items that the current release takes for similar."""
    release = Release.open(release_root or only_release_root())
    (item_id,) = _ids(release, [item])
    (title,) = release.titles([item_id])
    announce(f"similar to {title} ({item_id})")
    allow = _ids(release, only) if only else None
    found = release.similar(item_id, k=k, allow=allow, deny=_ids(release, without))
    for rank, one in enumerate(found, start=1):
        announce(f"{rank:>3}  {one.score:.3f}  {one.title} ({one.item_id})")


def only_release_root() -> str:
    """The release root below the default output folder, if there is exactly one."""
    roots = sorted((DEFAULT_OUTPUT / "releases").glob("*"))
    if len(roots) != 1:
        raise InputError(
            "--release-root",
            expected="a release root",
            found=f"{len(roots)} below {DEFAULT_OUTPUT / 'releases'}"
            + (f": {', '.join(map(str, roots))}" if roots else ""),
            hint="name one, or publish with towerflow run",
        )
    return str(roots[0])


def _ids(release: Release, names: list[str] | None) -> list[str]:
    return [release.names.ids[release.names.find(name)] for name in names or []]
