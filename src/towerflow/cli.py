"""The command line: `towerflow run | compile | recommend | similar`.

The only place that reads the environment and that turns errors into exit codes:
1 for a run that failed, 2 for a mistake in what was asked.
"""

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from transformers.utils import logging as transformers_logging

from towerflow import bundled, cli_data
from towerflow.embedding.encoder import require_model
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.ingest.files import find_files
from towerflow.ingest.layout import parse_columns
from towerflow.ingest.presets import find_preset
from towerflow.interactions.catalogue import CatalogueScope
from towerflow.interactions.filters import Repeats
from towerflow.interactions.splits import FewShot, SplitKind
from towerflow.local_run import RunFailed, compile_pipelines, run_retrain
from towerflow.recipes import DEFAULT_RECIPE, load_recipe, recipe_names
from towerflow.retrieval.release import Release
from towerflow.run_display import run_display
from towerflow.steps.gate import OPEN, read_decision
from towerflow.storage.filesystems import WILDCARDS, absolute, content_version, is_remote
from towerflow.summary import print_metrics, print_recommendations, print_run
from towerflow.text.template import parse_template

DEFAULT_OUTPUT: Final = Path("towerflow-out")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Item text and an interaction log in, a published retrieval index out.",
)
console = Console(highlight=False)


class UnknownItems(StrEnum):
    """What to do with interactions that name items which the items lack."""

    ERROR = "error"
    REJECT = "reject"


def announce(line: str) -> None:
    """Print a line of progress at once."""
    console.print(line, markup=False, soft_wrap=True)


def cache_folder() -> Path:
    """Where downloads and embeddings are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "towerflow"


@app.command()
def run(
    items: Annotated[
        str, typer.Option(help="File, folder or glob of items.", show_default="MovieLens-100k")
    ] = "",
    interactions: Annotated[
        str,
        typer.Option(help="File, folder or glob of interactions.", show_default="MovieLens-100k"),
    ] = "",
    recipe: Annotated[
        str, typer.Option(help=f"{', '.join(recipe_names())}, or a YAML file of your own.")
    ] = DEFAULT_RECIPE,
    model: Annotated[
        str,
        typer.Option(
            help=f"The frozen LLM: {', '.join(bundled.BUNDLED_ENCODERS)}, a folder, or a hub id."
        ),
    ] = bundled.DEFAULT_ENCODER,
    release_root: Annotated[
        Path | None,
        typer.Option(help="Where to publish.", show_default="<output>/releases/<name of the data>"),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder for all that a run writes.")
    ] = DEFAULT_OUTPUT,
    max_tokens: Annotated[int, typer.Option(min=1, help="Item texts are cut to so many.")] = 128,
    num_shards: Annotated[int, typer.Option(min=1, help="Tasks that embed side by side.")] = 1,
    preset: cli_data.Preset = "",
    column: cli_data.Columns = None,
    item_template: cli_data.ItemTemplate = "plain",
    min_rating: cli_data.MinRating = 0.0,
    repeats: cli_data.RepeatsKept = Repeats.FIRST,
    bot_quantile: cli_data.BotQuantile = 1.0,
    max_history: cli_data.MaxHistory = 0,
    min_user_interactions: cli_data.MinUserInteractions = 3,
    min_item_interactions: cli_data.MinItemInteractions = 1,
    catalogue: cli_data.Catalogue = CatalogueScope.ALL,
    split: cli_data.Split = SplitKind.TEMPORAL,
    split_share: cli_data.SplitShare = 0.1,
    few_shot: cli_data.FewShotKept = FewShot.NONE,
    split_seed: cli_data.SplitSeed = 0,
    previous_dataset: cli_data.PreviousDataset = "",
    max_rejected_share: cli_data.MaxRejectedShare = 0.05,
    unknown_items: Annotated[
        UnknownItems,
        typer.Option(
            help="Interactions that name unknown items stop the run or not.",
            rich_help_panel=cli_data.PANEL,
        ),
    ] = UnknownItems.ERROR,
    beam_runner: cli_data.BeamRunnerName = "DirectRunner",
    beam_option: cli_data.BeamOptions = None,
) -> None:
    """Run the retrain pipeline on this machine, from raw data to a published index."""
    cache = cache_folder()
    if bool(items) != bool(interactions):
        raise InputError(
            "--items and --interactions", expected="both or neither", found="one of them"
        )
    recipe_text = resolve_recipe(recipe)
    if items:
        layouts = find_preset(preset).with_columns(parse_columns(column or []))
        find_files(items, layouts.items)
        find_files(interactions, layouts.interactions)
        name = data_name(items)
    else:
        found = bundled.movielens_100k(cache, announce)
        items, interactions = map(str, found)
        name = bundled.DEFAULT_DATA
    parse_template(item_template)
    work = (output / name).absolute()
    root = (release_root or output / "releases" / name).absolute()
    encoder = resolve_encoder(model, cache)
    arguments: dict[str, Any] = {
        "items": absolute(items),
        "interactions": absolute(interactions),
        "data_version": content_version(items, interactions, str(encoder)),
        "encoder": str(encoder),
        "embedding_store": str(cache / "embeddings"),
        "release_root": str(root),
        "recipe": recipe_text,
        "max_tokens": max_tokens,
        "num_shards": num_shards,
        "preset": preset,
        "columns": column or [],
        "item_template": item_template,
        "min_rating": min_rating,
        "repeats": repeats.value,
        "bot_quantile": bot_quantile,
        "max_history": max_history,
        "min_user_interactions": min_user_interactions,
        "min_item_interactions": min_item_interactions,
        "catalogue": catalogue.value,
        "split": split.value,
        "split_share": split_share,
        "few_shot": few_shot.value,
        "split_seed": split_seed,
        "previous_dataset": absolute(previous_dataset) if previous_dataset else "",
        "max_rejected_share": max_rejected_share,
        "unknown_items": unknown_items.value,
        "beam_runner": beam_runner,
        "beam_options": beam_option or [],
    }
    announce(f"running retrain on {name}, recipe {recipe}, log in {work / 'run.log'}")
    with run_display(console) as tell:
        outputs = run_retrain(arguments, work, tell)
    report = work / "report.html"
    shutil.copyfile(outputs["report"], report)
    decision = read_decision(Path(outputs["decision"]))
    if decision.decision != OPEN:
        print_metrics(console, EvaluationMetrics.read(Path(outputs["metrics"])), recipe)
        announce(f"not published: {decision.reason}; the report is {report}")
        return
    print_run(console, outputs, root, report, recipe)


@app.command(name="compile")
def compile_(
    output: Annotated[Path, typer.Option(help="Folder for the YAML files.")] = Path("build"),
) -> None:
    """Write the YAML of every pipeline, for the Kubeflow UI.

    Images are taken from TOWERFLOW_CPU_IMAGE and TOWERFLOW_GPU_IMAGE.
    """
    for path in compile_pipelines(output):
        announce(str(path))


ReleaseRoot = Annotated[
    Path | None,
    typer.Option(help="Release root.", show_default="the only one below towerflow-out/releases"),
]
NumResults = Annotated[int, typer.Option("--k", help="How many.")]


@app.command()
def recommend(
    liked: Annotated[
        list[str] | None, typer.Option(help="Title or id of a liked item, oldest first; repeat.")
    ] = None,
    user: Annotated[str, typer.Option(help="Id of a user of the training data.")] = "",
    k: NumResults = 10,
    release_root: ReleaseRoot = None,
) -> None:
    """Recommend from the current release, to a known user or after some liked items."""
    if bool(liked) == bool(user):
        raise InputError("recommend", expected="either --liked or --user", found="none or both")
    release = Release.current(release_root or only_release_root())
    history = release.history(user) if user else [release.find_item(name) for name in liked or []]
    results = release.recommend(history, k)
    print_recommendations(
        console,
        f"user {user}, newest first" if user else "liked, newest first",
        [release.titles[item] for item in reversed(history)][: max(k, 10)],
        [f"{item.title}  {item.score:.3f}" for item in results],
    )


@app.command()
def similar(
    item: Annotated[str, typer.Option(help="Title or id.")],
    k: NumResults = 10,
    release_root: ReleaseRoot = None,
) -> None:
    """List the items that the current release takes for similar."""
    release = Release.current(release_root or only_release_root())
    index = release.find_item(item)
    announce(f"similar to {release.titles[index]} ({release.item_ids[index]})")
    for rank, found in enumerate(release.similar(index, k), start=1):
        announce(f"{rank:>3}  {found.score:.3f}  {found.title} ({found.item_id})")


def resolve_recipe(recipe: str) -> str:
    """The name of a recipe, or the text of the file it names, checked either way.

    Steps get text rather than a path: KFP's cache would not see that a file has changed.
    """
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        load_recipe(recipe)
        return recipe
    if not path.is_file():
        raise InputError(recipe, expected="a recipe file", found="nothing there")
    text = path.read_text("utf-8")
    load_recipe(text)
    return text


def resolve_encoder(model: str, cache: Path) -> Path:
    """Folder of the LLM: bundled, local, or downloaded from the hub.

    Raises:
        InputError: it is none of these, or has no safetensors.
    """
    folder = bundled.bundled_encoder(model, cache, announce)
    if folder is None:
        folder = Path(model) if Path(model).is_dir() else bundled.hub_encoder(model)
    require_model(folder)
    return folder.absolute()


def data_name(items: str) -> str:
    """A short name for own data: `shop/items.parquet`, `shop/*.json` and `shop` are `shop`."""
    path = PurePosixPath(items.partition("://")[2] or Path(items).absolute().as_posix())
    stem = path.name.split(".")[0]
    is_folder = not is_remote(items) and Path(items).is_dir()
    if not is_folder and (stem == "items" or any(letter in stem for letter in WILDCARDS)):
        stem = path.parent.name
    return stem or "data"


def only_release_root() -> Path:
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
    return roots[0]


def main() -> None:
    """Entry point."""
    transformers_logging.disable_progress_bar()
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
