"""`towerflow compare`: many recipes on one dataset, one report."""

import fnmatch
import shutil
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from towerflow import bundled, cli_data, cli_encoder
from towerflow.cli_cache import cache_folder, store_root
from towerflow.cli_output import DEFAULT_OUTPUT, Output, announce, console
from towerflow.cli_recipe import resolve_recipe
from towerflow.cli_source import find_data
from towerflow.embedding.devices import devices
from towerflow.embedding.precision import AUTO, resolve_precision
from towerflow.evaluation.comparison import Comparison
from towerflow.interactions.catalogue import CatalogueScope
from towerflow.interactions.filters import Repeats
from towerflow.interactions.splits import FewShot, SplitKind
from towerflow.local_run import run_pipeline
from towerflow.recipes import recipe_names
from towerflow.run_display import run_display
from towerflow.steps.list_trials import list_trials
from towerflow.summary import print_comparison, print_counts


def compare(
    recipes: Annotated[
        list[str],
        typer.Option(
            help="Name of a recipe, a pattern such as 'llminit-sgl-*', or a YAML file; repeat. "
            "The others are compared with the first."
        ),
    ],
    seeds: Annotated[
        int, typer.Option(min=1, help="Each recipe is trained with so many, from 0 up.")
    ] = 1,
    items: cli_data.Items = "",
    interactions: cli_data.Interactions = "",
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
    max_rejected_share: cli_data.MaxRejectedShare = 0.05,
    unknown_items: cli_data.UnknownItemsKept = cli_data.UnknownItems.ERROR,
    beam_runner: cli_data.BeamRunnerName = "DirectRunner",
    beam_option: cli_data.BeamOptions = None,
) -> None:
    """Train and measure many recipes on one dataset, and put them beside each other."""
    texts = [resolve_recipe(name) for recipe in recipes for name in _named(recipe)]
    trials = list_trials(texts, list(range(seeds)))
    source = find_data(items, interactions, preset, column or [], item_template, announce)
    resolve_precision(precision, torch.device(devices()[0]))
    encoder = cli_encoder.choose_encoder(model, cache_folder(), announce)
    arguments: dict[str, Any] = {
        **source.arguments(encoder),
        "embedding_store": store_root(embedding_store),
        "recipes": texts,
        "seeds": list(range(seeds)),
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
        "max_rejected_share": max_rejected_share,
        "unknown_items": unknown_items.value,
        "beam_runner": beam_runner,
        "beam_options": beam_option or [],
    }
    work = (output / f"{source.name}-compare").absolute()
    announce(
        f"running compare_models on {source.name}, {len(trials)} trials, log in {work / 'run.log'}"
    )
    with run_display(console) as tell:
        outputs = run_pipeline("compare_models", arguments, work, tell)
    report = work / "report.html"
    shutil.copyfile(outputs["report"], report)
    print_counts(console, Path(outputs["dataset"]), Path(outputs["rejected"]))
    print_comparison(console, Comparison.read(Path(outputs["comparison"])))
    announce(f"report   {report}")


def _named(recipe: str) -> list[str]:
    """The recipes that a pattern stands for; else what was given."""
    return sorted(fnmatch.filter(recipe_names(), recipe)) or [recipe]
