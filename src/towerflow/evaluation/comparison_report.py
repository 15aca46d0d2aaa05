"""The report of a comparison: one HTML file that needs nothing from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from towerflow.evaluation.charts import line_chart
from towerflow.evaluation.comparison import Comparison, RecipeResult, Trial
from towerflow.evaluation.page import render_page
from towerflow.evaluation.scatter import scatter_chart
from towerflow.evaluation.significance import NUM_FLIPS
from towerflow.progress import clock

TEMPLATE: Final = "comparison.html.j2"
LEAST_SECONDS: Final = 0.01  # a logarithmic axis has no 0
STRONGEST: Final = 45  # % of colour in the background of a row's best; text stays readable on it


@dataclass(frozen=True)
class Cell:
    """One slice of one recipe.

    Attributes:
        text: what stands there.
        strength: of the background, in % of colour.
        is_best: of its row, where anything was found at all.
    """

    text: str
    strength: int
    is_best: bool


def render_comparison(comparison: Comparison, trials: Mapping[str, Sequence[Trial]]) -> str:
    """The page as a string.

    Args:
        comparison: of all `trials`.
        trials: by recipe.
    """
    primary, results = comparison.primary_metric, comparison.recipes
    reference = next(one for one in results if one.difference is None)
    challengers = [one for one in results if one is not reference]
    return render_page(
        TEMPLATE,
        comparison=comparison,
        primary=primary,
        best=results[0],
        reference=reference,
        challenger=challengers[0] if challengers else None,
        names=list(reference.metrics),
        leaders={
            name: max(one.metrics[name].mean for one in results) for name in reference.metrics
        },
        num_flips=NUM_FLIPS,
        slices=_slices(results, primary),
        clock=clock,
        charts=_charts(results, primary),
        trainings=_trainings(results, trials, primary),
    )


def _slices(results: Sequence[RecipeResult], primary: str) -> dict[str, tuple[int, list[Cell]]]:
    """Number of users, and a cell of each recipe, by slice."""
    rows = {}
    for name, values in results[0].slices.items():
        found = [one.slices[name][primary] for one in results]
        best = max(found)
        cells = [
            Cell(f"{value:.4f}", round(STRONGEST * value / best), value == best)
            if best
            else Cell(f"{value:.4f}", 0, is_best=False)
            for value in found
        ]
        rows[name] = (int(values["users"]), cells)
    return rows


def _charts(results: Sequence[RecipeResult], primary: str) -> dict[str, str]:
    """Quality against what it costs, by title."""
    costs = {
        "training time": (
            "seconds of training",
            [max(one.seconds, LEAST_SECONDS) for one in results],
        ),
        "size": ("parameters", [float(max(one.parameters, 1)) for one in results]),
    }
    quality = [one.metrics[primary].mean for one in results]
    names = [one.recipe for one in results]
    return {
        f"{primary.upper()} against {what}": scatter_chart(
            f"{primary} against {what}", unit, list(zip(names, cost, quality, strict=True))
        )
        for what, (unit, cost) in costs.items()
    }


def _trainings(
    results: Sequence[RecipeResult], trials: Mapping[str, Sequence[Trial]], primary: str
) -> dict[str, str]:
    """Validation by epoch of each recipe's first seed, by title."""
    return {
        f"{one.recipe}{f' ({part})' if len(curves) > 1 else ''}, seed {one.seeds[0]}": line_chart(
            f"{one.recipe}, {part}: validation {primary} by epoch",
            [epoch[primary] for epoch in curve],
        )
        for one in results
        for curves in [trials[one.recipe][0].record.curves]
        for part, curve in curves.items()
        if curve
    }
