"""`compare`: measured recipes beside each other, as data and report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from towerflow import schema
from towerflow.errors import InputError
from towerflow.evaluation.comparison import COMPARISON_FILE, Trial, compare_trials
from towerflow.evaluation.metrics_file import METRICS_FILE, PER_USER_FILE, EvaluationMetrics
from towerflow.evaluation.training_record import TrainingRecord
from towerflow.interactions.histories import IntArray
from towerflow.recipes import OWN_SEED, Recipe
from towerflow.reporting.comparison_report import render_comparison
from towerflow.schema import ArtifactKind, Manifest
from towerflow.steps.list_trials import distinct_recipes, draws
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.files import write_text

STEP: Final = "compare"
OWN: Final = "own"


@dataclass(frozen=True)
class _Measured:
    """The Metrics in a folder, with what must fit the others'."""

    folder: Path
    manifest: Manifest
    trial: Trial
    users: IntArray

    def test(self) -> dict[str, str]:
        """What was asked of the model, in words."""
        metrics = self.trial.metrics
        return {
            "dataset": metrics.dataset,
            "item_embeddings": self.manifest.inputs["item_embeddings"],
            "protocol": metrics.protocol,
            "primary_metric": metrics.primary_metric,
            "model": ", ".join(metrics.model),
            "slices": ", ".join(metrics.slices),
        }

    def is_of(self, recipe: Recipe) -> bool:
        """Whether the model was trained by `recipe`, with whatever seed."""
        record = self.trial.record
        asked = recipe if record.seed == OWN_SEED else recipe.with_seed(record.seed)
        settings = {name: v for name, v in record.settings.items() if name != "description"}
        return settings == asked.model_dump(mode="json", exclude={"description"})


def compare(
    metrics: list[Path], recipes: list[str], comparison: Path, report: Path
) -> dict[str, float]:
    """Put the Metrics of recipes, over seeds, beside each other.

    Args:
        metrics: Metrics artifacts, one a trial, in any order.
        recipes: names or YAML texts of all that were trained; the others are compared with the
            first.
        comparison: where the Comparison artifact is written: `comparison.json`.
        report: the HTML file to write.

    Returns:
        The mean of each recipe's primary metric, the best one first, for the UI.

    Raises:
        InputError: Metrics of different data, embeddings, protocols or users; of a recipe that is
            not among `recipes`, of none for one that is, or not with the same seeds for all.
    """
    names = _names(recipes)
    chosen = dict(zip(names, distinct_recipes(recipes), strict=True))
    if not metrics:
        raise InputError("metrics", expected="at least one", found="none")
    measured = [_open(folder) for folder in metrics]
    _require_one_test(measured)
    by_recipe = _by_recipe(measured, chosen)
    _require_equal_seeds(by_recipe, chosen)
    compared = compare_trials(
        by_recipe, {name: recipe.description for name, recipe in chosen.items()}
    )
    page = render_comparison(compared, by_recipe)
    with new_artifact(comparison, ArtifactKind.COMPARISON, STEP) as draft:
        content = compared.model_dump_json(indent=2)
        (draft.folder / COMPARISON_FILE).write_text(content + "\n", "utf-8")
        draft.counts = {"recipes": len(recipes), "trials": len(metrics)}
        draft.inputs = {
            f"metrics_{number}": one.manifest.content_hash for number, one in enumerate(measured)
        }
        write_text(report, page)
    primary = compared.primary_metric
    return {f"{best.recipe} {primary}": best.metrics[primary].mean for best in compared.recipes}


def _names(recipes: Sequence[str]) -> list[str]:
    """What recipes are called; those given as text have no name, so they are counted."""
    num_own = sum(":" in recipe for recipe in recipes)
    own = iter([OWN] if num_own == 1 else [f"{OWN} {number + 1}" for number in range(num_own)])
    return [next(own) if ":" in recipe else recipe for recipe in recipes]


def _open(folder: Path) -> _Measured:
    manifest = open_artifact(folder, ArtifactKind.METRICS)
    metrics = EvaluationMetrics.read(folder)
    record = TrainingRecord.of_metrics(folder, manifest)
    primary, file = metrics.primary_metric, folder / PER_USER_FILE
    try:
        per_user = pq.read_table(file, columns=[schema.USER_INDEX, primary])
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            file, expected=f"{schema.USER_INDEX} and {primary} of each user", found=str(error)
        ) from error
    trial = Trial(record, metrics, per_user[primary].to_numpy())
    return _Measured(folder, manifest, trial, per_user[schema.USER_INDEX].to_numpy())


def _require_one_test(measured: Sequence[_Measured]) -> None:
    """Refuse numbers that can't stand in one table."""
    first = measured[0]
    expected = first.test()
    for one in measured:
        for name, value in one.test().items():
            if value != expected[name]:
                raise InputError(
                    one.folder / METRICS_FILE,
                    field=name,
                    expected=f"'{expected[name]}', as in {first.folder}",
                    found=f"'{value}'",
                    hint="compare recipes that were measured in one run",
                )
        if not np.array_equal(one.users, first.users):
            raise InputError(
                one.folder / PER_USER_FILE,
                field=schema.USER_INDEX,
                expected=f"the {len(first.users)} users of {first.folder}",
                found=f"{len(one.users)}, not the same",
            )


def _by_recipe(
    measured: Sequence[_Measured], recipes: Mapping[str, Recipe]
) -> dict[str, list[Trial]]:
    """The trials of each of `recipes`, in their order, by seed."""
    found: dict[str, list[_Measured]] = {name: [] for name in recipes}
    for one in measured:
        name = next((name for name, recipe in recipes.items() if one.is_of(recipe)), None)
        if name is None:
            raise InputError(
                one.folder,
                expected=f"metrics of {' or '.join(recipes)}",
                found=f"those of a recipe {one.trial.record.recipe} with other settings",
            )
        found[name].append(one)
    for name, trials in found.items():
        if not trials:
            raise InputError("metrics", expected=f"those of {name} too", found="none")
        if len({one.manifest.inputs["model"] for one in trials}) < len(trials):
            raise InputError(
                "metrics", expected=f"each model of {name} once", found="one of them twice"
            )
    return {
        name: sorted((one.trial for one in trials), key=lambda trial: trial.record.seed)
        for name, trials in found.items()
    }


def _require_equal_seeds(
    trials: Mapping[str, Sequence[Trial]], recipes: Mapping[str, Recipe]
) -> None:
    seeds = {
        name: [trial.record.seed for trial in trials[name]]
        for name, recipe in recipes.items()
        if draws(recipe)
    }
    for name, found in seeds.items():
        first, expected = next(iter(seeds.items()))
        if found != expected:
            raise InputError(
                "metrics",
                field=name,
                expected=f"the seeds of {first}, {expected}",
                found=f"{found}",
            )
