"""`comparison.json`: recipes beside each other on one Dataset, over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towerflow.errors import InputError
from towerflow.evaluation.metrics import Floats
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.evaluation.resampling import Interval
from towerflow.evaluation.significance import sign_flip_test
from towerflow.evaluation.training_record import TrainingRecord

COMPARISON_FILE: Final = "comparison.json"


@dataclass(frozen=True)
class Trial:
    """One recipe, trained with one seed and measured.

    Attributes:
        record: how the model came to be.
        metrics: means over the test users.
        per_user: `[num_users]` the primary metric, the same users in each trial.
    """

    record: TrainingRecord
    metrics: EvaluationMetrics
    per_user: Floats


class Spread(BaseModel):
    """A number over seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    std: float | None = Field(description="Sample standard deviation; null for a single seed.")

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Mean and deviation of `values`."""
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(mean=float(np.mean(values)), std=std)


class Difference(BaseModel):
    """What sets a recipe apart from the reference, by the primary metric."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: float | None = Field(
        description="Relative to the reference's mean, .1 is 10 % more; null if that is 0."
    )
    p_value: float = Field(
        description="Of a paired sign-flip test over users, each user's metric averaged over seeds."
    )


class RecipeResult(BaseModel):
    """One recipe over all its seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(description="Its name; own, or own and a number, if it has none.")
    description: str = Field(description="What the recipe says of itself.")
    seeds: list[int] = Field(description="A recipe that draws nothing is trained with one alone.")
    metrics: dict[str, Spread]
    interval: Interval = Field(
        description="Of the primary metric, by a bootstrap over users, each user's averaged over "
        "seeds."
    )
    slices: dict[str, dict[str, float]] = Field(
        description="Means over seeds on parts of the test; `users` is a part's size."
    )
    parameters: int = Field(description="Numbers that a model keeps.")
    epochs: float = Field(description="Mean over seeds.")
    seconds: float = Field(description="Of training, mean over seeds, as the machine was then.")
    difference: Difference | None = Field(description="Null for the reference.")


class Comparison(BaseModel):
    """The content of `comparison.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary_metric: str = Field(description="What recipes are ordered by.")
    protocol: str = Field(description="How the ranking was made, in words.")
    num_users: int = Field(description="Users with a test interaction.")
    num_items: int = Field(description="Items that were ranked for each user.")
    dataset: str = Field(description="Content hash of the Dataset.")
    reference: str = Field(description="The recipe that was named first; others differ from it.")
    recipes: list[RecipeResult] = Field(description="The best one first.")
    baselines: dict[str, dict[str, float]] = Field(description="Metrics by baseline.")

    @property
    def other_baselines(self) -> dict[str, dict[str, float]]:
        """The baselines that are not among the recipes anyway."""
        names = {one.recipe for one in self.recipes}
        return {
            name: values
            for name, values in self.baselines.items()
            if name.replace("_", "-") not in names
        }

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `comparison.json` of a Comparison artifact.

        Raises:
            InputError: it is missing or not of this form.
        """
        file = folder / COMPARISON_FILE
        try:
            return cls.model_validate_json(file.read_text("utf-8"))
        except OSError as error:
            raise InputError(file, expected="a comparison", found=str(error)) from error
        except ValidationError as error:
            raise InputError.from_validation(file, "a comparison", error) from error


def compare_trials(
    trials: Mapping[str, Sequence[Trial]], descriptions: Mapping[str, str]
) -> Comparison:
    """Recipes beside each other.

    Args:
        trials: by recipe, the reference first; all on the same test users.
        descriptions: of each recipe.
    """
    reference = next(iter(trials))
    first = trials[reference][0].metrics
    primary = first.primary_metric
    results = [
        _result(
            name, descriptions[name], of, None if name == reference else trials[reference], primary
        )
        for name, of in trials.items()
    ]
    return Comparison(
        primary_metric=primary,
        protocol=first.protocol,
        num_users=first.num_users,
        num_items=first.num_items,
        dataset=first.dataset,
        reference=reference,
        # Stable: of equally good ones the one that was named first.
        recipes=sorted(results, key=lambda result: -result.metrics[primary].mean),
        baselines=first.baselines,
    )


def _result(
    name: str,
    description: str,
    trials: Sequence[Trial],
    reference: Sequence[Trial] | None,
    primary: str,
) -> RecipeResult:
    measured = [trial.metrics for trial in trials]
    return RecipeResult(
        recipe=name,
        description=description,
        seeds=[trial.record.seed for trial in trials],
        metrics={
            metric: Spread.of([one.model[metric] for one in measured])
            for metric in measured[0].model
        },
        interval=Interval.of(_over_seeds(trials)),
        slices={
            name: {
                "users": float(part.users),
                **{
                    metric: float(np.mean([one.slices[name].metrics[metric] for one in measured]))
                    for metric in part.metrics
                },
            }
            for name, part in measured[0].slices.items()
        },
        parameters=trials[0].record.parameters,
        epochs=float(np.mean([trial.record.epochs for trial in trials])),
        seconds=float(np.mean([trial.record.seconds for trial in trials])),
        difference=None if reference is None else _difference(trials, reference, primary),
    )


def _difference(trials: Sequence[Trial], reference: Sequence[Trial], primary: str) -> Difference:
    mean, base = (
        float(np.mean([trial.metrics.model[primary] for trial in side]))
        for side in (trials, reference)
    )
    return Difference(
        change=(mean - base) / base if base else None,
        p_value=sign_flip_test(_over_seeds(trials) - _over_seeds(reference)),
    )


def _over_seeds(trials: Sequence[Trial]) -> Floats:
    """`[num_users]` means of the primary metric."""
    means: Floats = np.mean([trial.per_user for trial in trials], axis=0)
    return means
