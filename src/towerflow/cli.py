"""The command line: `towerflow run | compare | report | recommend | releases | submit | …`.

The only place that turns errors into exit codes: 1 for a run that failed, 2 for a mistake in what
was asked.
"""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from transformers.utils import logging as transformers_logging

from towerflow import (
    bundled,
    cli_cluster,
    cli_data,
    cli_encoder,
    cli_gate,
    cli_index,
    cli_ranking,
    cli_releases,
    cli_report,
    cli_serve,
    cli_store,
    cli_train,
)
from towerflow.cli_cache import cache_folder, checkpoint_folder, store_root
from towerflow.cli_combine import combine
from towerflow.cli_compare import compare
from towerflow.cli_compile import compile_
from towerflow.cli_doctor import doctor
from towerflow.cli_estimate import estimate
from towerflow.cli_output import DEFAULT_OUTPUT, Output, announce, console
from towerflow.cli_recipe import resolve_recipe
from towerflow.cli_source import find_data
from towerflow.cli_train_job import train_job
from towerflow.embedding.devices import devices
from towerflow.embedding.precision import AUTO, resolve_precision
from towerflow.errors import InputError, RunFailed, StorageError
from towerflow.evaluation.gating import OPEN
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.interactions.catalogue import CatalogueScope
from towerflow.interactions.changes import Change
from towerflow.interactions.filters import Repeats
from towerflow.interactions.splits import FewShot, SplitKind
from towerflow.local_run import run_pipeline
from towerflow.recipes import DEFAULT_RECIPE, OWN_SEED, recipe_names
from towerflow.run_display import run_display
from towerflow.steps.gate import read_decision
from towerflow.storage.artifact import read_manifest
from towerflow.storage.filesystems import absolute
from towerflow.summary import print_metrics, print_run

TOLD: Final = (InputError, RunFailed, StorageError)  # in a sentence, without a traceback

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Item text and an interaction log in, a published retrieval index out.",
)
app.add_typer(cli_store.app, name="store")
app.add_typer(cli_ranking.app, name="ranking")
app.add_typer(cli_releases.app, name="releases")
app.command()(cli_serve.recommend)
app.command()(cli_serve.similar)
app.command()(estimate)
app.command()(cli_train.train)
app.command()(train_job)
app.command()(combine)
app.command()(compare)
app.command(name="compile")(compile_)
app.command()(cli_report.report)
app.command()(doctor)
app.command()(cli_cluster.upload)
app.command()(cli_cluster.submit)
app.command()(cli_cluster.schedule)
app.command()(cli_cluster.schedules)
app.command()(cli_cluster.runs)

PublishRoot = Annotated[
    str,
    typer.Option(
        help="Where to publish: a folder, gs:// or s3://.",
        show_default="<output>/releases/<name of the data>",
    ),
]


@app.command()
def run(
    items: cli_data.Items = "",
    interactions: cli_data.Interactions = "",
    recipe: Annotated[
        str, typer.Option(help=f"{', '.join(recipe_names())}, or a YAML file of your own.")
    ] = DEFAULT_RECIPE,
    seed: cli_train.Seed = OWN_SEED,
    initial_model: cli_train.InitialModel = "",
    checkpoints: cli_train.Checkpoints = "",
    release_root: PublishRoot = "",
    output: Output = DEFAULT_OUTPUT,
    model: cli_encoder.Model = bundled.DEFAULT_ENCODER,
    pooling: cli_encoder.PoolingName = "",
    layer: cli_encoder.Layer = -1,
    prompt: cli_encoder.Prompt = "",
    l2: cli_encoder.L2 = "",
    max_tokens: cli_encoder.MaxTokens = 128,
    precision: cli_encoder.PrecisionName = AUTO,
    num_shards: cli_encoder.NumShards = 1,
    embedding_store: cli_encoder.Store = "",
    preset: cli_data.Preset = "",
    column: cli_data.Columns = None,
    item_template: cli_data.ItemTemplate = "plain",
    slice_column: cli_data.SliceColumns = None,
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
    hide_history: cli_data.HideHistory = True,
    sampled_negatives: cli_data.SampledNegatives = 0,
    gate_margin: cli_gate.Margin = cli_gate.DEFAULTS.margin,
    guarded_slice: cli_gate.GuardedSlices = None,
    slice_margin: cli_gate.SliceMargin = cli_gate.DEFAULTS.slice_margin,
    coverage_margin: cli_gate.CoverageMargin = cli_gate.DEFAULTS.coverage_margin,
    force: cli_gate.Force = "",
    index_kind: cli_index.Kind = cli_index.DEFAULTS.kind,
    recall_target: cli_index.RecallTarget = cli_index.DEFAULTS.recall_target,
    index_memory: cli_index.Memory = cli_index.DEFAULTS.memory_limit,
    export_format: cli_index.Formats = None,
    previous_dataset: cli_data.PreviousDataset = "",
    max_rejected_share: cli_data.MaxRejectedShare = 0.05,
    unknown_items: cli_data.UnknownItemsKept = cli_data.UnknownItems.ERROR,
    beam_runner: cli_data.BeamRunnerName = "DirectRunner",
    beam_option: cli_data.BeamOptions = None,
    env: Annotated[
        str,
        typer.Option(
            help="Environment in whose images the steps run, each in a container of its own.",
            show_default="processes, without containers",
        ),
    ] = "",
) -> None:
    """Run the retrain pipeline on this machine, from raw data to a published index."""
    recipe_text = resolve_recipe(recipe)
    index = cli_index.arguments(index_kind, recall_target, index_memory, export_format)
    gate = cli_gate.arguments(gate_margin, guarded_slice, slice_margin, coverage_margin, force)
    source = find_data(items, interactions, preset, column or [], item_template, announce)
    resolve_precision(precision, torch.device(devices()[0]))
    encoder = cli_encoder.choose_encoder(model, cache_folder(), announce)
    root = absolute(release_root or str(output / "releases" / source.name))
    arguments: dict[str, Any] = {
        **source.arguments(encoder),
        "embedding_store": store_root(embedding_store),
        "release_root": root,
        "recipe": recipe_text,
        "seed": seed,
        "initial_model": absolute(initial_model) if initial_model else "",
        "checkpoints": checkpoint_folder(checkpoints),
        "pooling": pooling or encoder.pooling,
        "layer": layer,
        "prompt": prompt,
        "l2": l2 or encoder.l2,
        "max_tokens": max_tokens,
        "precision": precision,
        "num_shards": num_shards,
        "slice_columns": slice_column or [],
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
        "hide_history": hide_history,
        "sampled_negatives": sampled_negatives,
        **gate,
        **index,
        "previous_dataset": absolute(previous_dataset) if previous_dataset else "",
        "max_rejected_share": max_rejected_share,
        "unknown_items": unknown_items.value,
        "beam_runner": beam_runner,
        "beam_options": beam_option or [],
    }
    work = (output / source.name).absolute()
    announce(f"running retrain on {source.name}, recipe {recipe}, log in {work / 'run.log'}")
    with run_display(console) as tell:
        outputs = run_pipeline("retrain", arguments, work, tell, env)
    report = work / "report.html"
    shutil.copyfile(outputs["report"], report)
    decision = read_decision(Path(outputs["decision"]))
    if decision.decision != OPEN:
        print_metrics(console, EvaluationMetrics.read(Path(outputs["metrics"])), recipe)
        announce(f"not published: {decision.reason}; the report is {report}")
        return
    print_run(console, outputs, root, report, recipe)


@app.command()
def refresh(
    items: cli_data.Items = "",
    interactions: cli_data.Interactions = "",
    release_root: PublishRoot = "",
    output: Output = DEFAULT_OUTPUT,
    model: cli_encoder.Model = bundled.DEFAULT_ENCODER,
    embedding_store: cli_encoder.Store = "",
    preset: cli_data.Preset = "",
    column: cli_data.Columns = None,
    item_template: cli_data.ItemTemplate = "plain",
    min_rating: cli_data.MinRating = 0.0,
    repeats: cli_data.RepeatsKept = Repeats.FIRST,
    bot_quantile: cli_data.BotQuantile = 1.0,
    max_history: cli_data.MaxHistory = 0,
    min_user_interactions: cli_data.MinUserInteractions = 3,
    min_item_interactions: cli_data.MinItemInteractions = 1,
    max_rejected_share: cli_data.MaxRejectedShare = 0.05,
    unknown_items: cli_data.UnknownItemsKept = cli_data.UnknownItems.REJECT,
    index_kind: cli_index.Kind = cli_index.DEFAULTS.kind,
    recall_target: cli_index.RecallTarget = cli_index.DEFAULTS.recall_target,
    index_memory: cli_index.Memory = cli_index.DEFAULTS.memory_limit,
    export_format: cli_index.Formats = None,
    beam_runner: cli_data.BeamRunnerName = "DirectRunner",
    beam_option: cli_data.BeamOptions = None,
) -> None:
    """Bring new and changed items into the live index, without training.

    The live model reads the texts as it did when it was trained.
    """
    index = cli_index.arguments(index_kind, recall_target, index_memory, export_format)
    source = find_data(items, interactions, preset, column or [], item_template, announce)
    encoder = cli_encoder.choose_encoder(model, cache_folder(), announce)
    root = absolute(release_root or str(output / "releases" / source.name))
    arguments: dict[str, Any] = {
        **source.arguments(encoder),
        "embedding_store": store_root(embedding_store),
        "release_root": root,
        "min_rating": min_rating,
        "repeats": repeats.value,
        "bot_quantile": bot_quantile,
        "max_history": max_history,
        "min_user_interactions": min_user_interactions,
        "min_item_interactions": min_item_interactions,
        "max_rejected_share": max_rejected_share,
        "unknown_items": unknown_items.value,
        **index,
        "beam_runner": beam_runner,
        "beam_options": beam_option or [],
    }
    work = (output / f"{source.name}-refresh").absolute()
    announce(f"running refresh_items on {source.name}, log in {work / 'run.log'}")
    with run_display(console) as tell:
        outputs = run_pipeline("refresh_items", arguments, work, tell)
    changes = read_manifest(Path(outputs["dataset"])).counts
    numbers = ", ".join(f"{changes[f'items_{kind}']:,} {kind}" for kind in Change)
    announce(f"{changes['items']:,} items are live in {root}: {numbers}")


def exit_code(error: Exception) -> int:
    """Of a process that ends with one of TOLD: 2 if the user has to change something."""
    return 2 if isinstance(error, InputError) else 1


def main() -> None:
    """Entry point."""
    transformers_logging.disable_progress_bar()
    try:
        app()
    except TOLD as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
