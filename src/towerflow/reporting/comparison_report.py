"""The report of a comparison: one HTML file that needs nothing from anywhere."""

from collections.abc import Mapping, Sequence
from typing import Final

from towerflow.evaluation.comparison import Comparison, RecipeResult, Trial
from towerflow.evaluation.significance import NUM_FLIPS
from towerflow.reporting.charts import ticks
from towerflow.reporting.comparison_tables import (
    cost_table,
    full_table,
    leaderboard,
    p_value,
    slice_table,
)
from towerflow.reporting.curve_chart import curve_chart
from towerflow.reporting.page import render_page
from towerflow.reporting.report_charts import Chart
from towerflow.reporting.scatter import scatter_chart
from towerflow.reporting.series_chart import Point, Series, series_chart
from towerflow.reporting.verdict import SAMPLED
from towerflow.reporting.wording import metric_name, signed

TEMPLATE: Final = "comparison.html.j2"
LEAST_SECONDS: Final = 0.01  # a logarithmic axis has no 0
MOST_LINES: Final = 8  # in one drawing; more can't be told apart


def render_comparison(comparison: Comparison, trials: Mapping[str, Sequence[Trial]]) -> str:
    """The page as a string.

    Args:
        comparison: of all `trials`.
        trials: by recipe.
    """
    primary, results = comparison.primary_metric, comparison.recipes
    reference = next(one for one in results if one.difference is None)
    challengers = [one for one in results if one is not reference]
    first = trials[reference.recipe][0].metrics
    return render_page(
        TEMPLATE,
        comparison=comparison,
        primary=primary,
        primary_name=metric_name(primary),
        best=results[0],
        reference=reference,
        challenger=challengers[0] if challengers else None,
        is_full_ranking=first.is_full_ranking,
        sampled=SAMPLED,
        num_flips=NUM_FLIPS,
        change=_change,
        p_value=_p_value,
        leaderboard=leaderboard(comparison),
        full_table=full_table(comparison),
        slice_table=slice_table(
            comparison, {name: part.description for name, part in first.slices.items()}
        )
        if first.slices
        else None,
        cost_table=cost_table(comparison),
        costs=_costs(results, primary),
        trainings=_trainings(results, trials, primary),
    )


def _change(one: RecipeResult) -> str:
    assert one.difference is not None, "not the reference"
    return signed(one.difference.change)


def _p_value(one: RecipeResult) -> str:
    assert one.difference is not None, "not the reference"
    shown = p_value(one.difference.p_value)
    return shown if shown.startswith("<") else f"= {shown}"


def _costs(results: Sequence[RecipeResult], primary: str) -> list[Chart]:
    """Quality against what it costs."""
    costs = {
        "training time": (
            "seconds of training",
            [max(one.seconds, LEAST_SECONDS) for one in results],
        ),
        "size": ("parameters", [float(max(one.parameters, 1)) for one in results]),
    }
    quality = [one.metrics[primary].mean for one in results]
    names = [one.recipe for one in results]
    return [
        Chart(
            f"{metric_name(primary)} against {what}",
            scatter_chart(
                f"{primary} against {what}", unit, list(zip(names, cost, quality, strict=True))
            ),
        )
        for what, (unit, cost) in costs.items()
    ]


def _trainings(
    results: Sequence[RecipeResult], trials: Mapping[str, Sequence[Trial]], primary: str
) -> list[Chart]:
    """Validation by epoch of each recipe's first seed: in one drawing, if they are few."""
    curves = {
        f"{one.recipe}{f' ({part})' if len(found) > 1 else ''}": [epoch[primary] for epoch in curve]
        for one in results
        for found in [trials[one.recipe][0].record.curves]
        for part, curve in found.items()
        if curve
    }
    title = f"Validation {metric_name(primary)}"
    if 1 < len(curves) <= MOST_LINES:
        drawn = [Chart(f"{title} by epoch", _together(title, curves))]
    else:
        drawn = [
            Chart(name, curve_chart(f"{name}: {title} by epoch", values))
            for name, values in curves.items()
        ]
    return [chart for chart in drawn if chart.drawing]


def _together(title: str, curves: Mapping[str, Sequence[float]]) -> str:
    last = max(map(len, curves.values()))
    series = [Series(name, list(_points(values))) for name, values in curves.items()]
    places = sorted({1, *(int(tick) for tick in ticks(last) if 1 < tick <= last)})
    return series_chart(title, "epoch", series, [(place, f"{place:,}") for place in places])


def _points(values: Sequence[float]) -> Sequence[Point]:
    return [(float(epoch), value) for epoch, value in enumerate(values, start=1)]
