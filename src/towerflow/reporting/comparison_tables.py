"""The tables of a comparison."""

from collections.abc import Mapping
from typing import Final

from towerflow.evaluation.comparison import Comparison, RecipeResult, Spread
from towerflow.progress import clock
from towerflow.reporting.report_tables import KEY_METRICS
from towerflow.reporting.tables import Cell, Row, Table
from towerflow.reporting.wording import NOTHING, figure, metric_name, signed, span

STRONGEST: Final = 45  # % of colour in the background of a row's best; text stays readable on it
LEAST_P: Final = 0.0001  # of what is shown
# Of other metrics, more isn't always better.
THE_MORE_THE_BETTER: Final = ("recall", "ndcg", "hit_rate", "mrr", "map")


def leaderboard(comparison: Comparison) -> Table:
    """A row a recipe, the best first; baselines that are not among them below."""
    primary = comparison.primary_metric
    known = comparison.recipes[0].metrics
    others = [name for name in KEY_METRICS if name in known and name != primary]
    leaders = _leaders(comparison)
    return Table(
        name="leaderboard",
        caption="Means over users and seeds, ± standard deviation over seeds. Of metrics that "
        "are the better the higher they are, the best is bold.",
        columns=(
            "recipe",
            metric_name(primary),
            "95 % interval",
            f"over {comparison.reference}",
            "p",
            *map(metric_name, others),
            "seeds",
        ),
        bodies=(
            [
                Row(
                    one.recipe,
                    [
                        _spread(one.metrics[primary], primary, leaders),
                        Cell(span(one.interval, primary), one.interval.low),
                        *_difference(one),
                        *(_spread(one.metrics[name], name, leaders) for name in others),
                        Cell(str(len(one.seeds)), len(one.seeds)),
                    ],
                )
                for one in comparison.recipes
            ],
            [
                Row(
                    f"baseline: {name.replace('_', ' ')}",
                    [
                        _value(values, primary),
                        *[Cell("")] * 3,
                        *(_value(values, other) for other in others),
                        Cell(""),
                    ],
                )
                for name, values in comparison.other_baselines.items()
            ],
        ),
    )


def full_table(comparison: Comparison) -> Table:
    """A row a metric, a column a recipe."""
    leaders = _leaders(comparison)
    return Table(
        name="all metrics",
        caption="All metrics at all cut-offs, means over users and seeds.",
        columns=("metric", *(one.recipe for one in comparison.recipes)),
        bodies=(
            [
                Row(
                    metric_name(name),
                    [_spread(one.metrics[name], name, leaders) for one in comparison.recipes],
                )
                for name in comparison.recipes[0].metrics
            ],
        ),
    )


def slice_table(comparison: Comparison, descriptions: Mapping[str, str]) -> Table:
    """A row a slice, a column a recipe; a heat map, row by row."""
    primary, results = comparison.primary_metric, comparison.recipes
    rows = []
    for name, values in results[0].slices.items():
        found = [one.slices[name][primary] for one in results]
        users = int(values["users"])
        rows.append(
            Row(
                name,
                [Cell(f"{users:,}", users), *(_heated(value, max(found)) for value in found)],
                descriptions.get(name, ""),
            )
        )
    return Table(
        name=f"{metric_name(primary)} of slices",
        caption=f"{metric_name(primary)} on parts of the test, mean over seeds; the stronger the "
        "colour, the nearer to the best of the row, which is bold.",
        columns=("slice", "users", *(one.recipe for one in results)),
        bodies=(rows,),
    )


def cost_table(comparison: Comparison) -> Table:
    """Time, epochs and size of each recipe."""
    return Table(
        name="costs",
        caption="Means over seeds. Time as it was measured, with whatever else the machine did.",
        columns=("recipe", "training, min:s", "seconds", "epochs", "parameters"),
        bodies=(
            [
                Row(
                    one.recipe,
                    [
                        Cell(clock(one.seconds), one.seconds),
                        Cell(f"{one.seconds:,.2f}", one.seconds),
                        Cell(f"{one.epochs:.4g}", one.epochs),
                        Cell(f"{one.parameters:,}", one.parameters),
                    ],
                )
                for one in comparison.recipes
            ],
        ),
    )


def p_value(value: float) -> str:
    """As it is shown."""
    return f"< {LEAST_P}" if value < LEAST_P else f"{value:.4f}"


def _leaders(comparison: Comparison) -> dict[str, float]:
    """The best value of each metric of which more is better."""
    return {
        name: max(one.metrics[name].mean for one in comparison.recipes)
        for name in comparison.recipes[0].metrics
        if name.partition("@")[0] in THE_MORE_THE_BETTER
    }


def _spread(value: Spread, name: str, leaders: Mapping[str, float]) -> Cell:
    note = "" if value.std is None else f"± {figure(value.std, name)}"
    is_best = value.mean == leaders.get(name)
    return Cell(figure(value.mean, name), value.mean, note, is_best)


def _value(values: Mapping[str, float], name: str) -> Cell:
    return Cell(figure(values[name], name), values[name]) if name in values else Cell(NOTHING)


def _difference(one: RecipeResult) -> list[Cell]:
    """Change against the reference, and p."""
    if one.difference is None:
        return [Cell("reference", 0.0), Cell("")]
    change = one.difference.change
    return [
        Cell(signed(change), change),
        Cell(p_value(one.difference.p_value), one.difference.p_value),
    ]


def _heated(value: float, best: float) -> Cell:
    """Where nobody finds anything nobody is best."""
    if not best:
        return Cell(figure(value), value)
    return Cell(figure(value), value, is_best=value == best, heat=round(STRONGEST * value / best))
