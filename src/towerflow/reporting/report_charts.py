"""The charts of a report."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from towerflow.evaluation.collapse import FIRST_ROWS, TRAINED_ROWS
from towerflow.evaluation.gating import LEAST_USERS
from towerflow.evaluation.metrics_file import EvaluationMetrics, SliceMetrics
from towerflow.evaluation.protocol import CUTOFFS, PRIMARY_METRIC
from towerflow.evaluation.spectrum import Spectrum
from towerflow.reporting.charts import ticks
from towerflow.reporting.curve_chart import curve_chart
from towerflow.reporting.exposure_chart import exposure_charts
from towerflow.reporting.forest_chart import ForestRow, forest_chart
from towerflow.reporting.report_tables import THIS_MODEL, models
from towerflow.reporting.series_chart import Series, series_chart
from towerflow.reporting.spectrum_chart import spectrum_chart
from towerflow.reporting.wording import metric_name
from towerflow.schema import Manifest

BY_CUTOFF = ("ndcg", "recall")


@dataclass(frozen=True)
class Chart:
    """A drawing with what stands above it."""

    title: str
    drawing: str


def cutoff_charts(metrics: EvaluationMetrics) -> list[Chart]:
    """Metrics by K, a line a model; K are as far apart as their logarithms."""
    return [chart for base in BY_CUTOFF if (chart := _by_cutoff(metrics, base)).drawing]


def _by_cutoff(metrics: EvaluationMetrics, base: str) -> Chart:
    name = metric_name(base)
    series = [
        Series(
            model,
            [(math.log(k), of[f"{base}@{k}"]) for k in CUTOFFS if f"{base}@{k}" in of],
            list(_band(metrics, base)) if model == THIS_MODEL else (),
        )
        for model, of in models(metrics).items()
    ]
    places = [(math.log(k), str(k)) for k in CUTOFFS]
    return Chart(f"{name}@K", series_chart(f"{name}@K", "K", series, places))


def _band(metrics: EvaluationMetrics, base: str) -> Iterator[tuple[float, float, float]]:
    for k in CUTOFFS:
        interval = metrics.intervals.get(f"{base}@{k}")
        if interval:
            yield math.log(k), interval.low, interval.high


def slice_charts(metrics: EvaluationMetrics) -> list[Chart]:
    """A forest plot a group of slices, all over one axis."""
    groups: dict[str, list[ForestRow]] = {}
    for name, part in metrics.slices.items():
        group, _, own = name.partition(": ")
        groups.setdefault(group, []).append(_forest_row(own or group, part, metrics.primary_metric))
    axis = ticks(_end_of_axis(metrics))
    title = metric_name(metrics.primary_metric)
    return [
        Chart(_group_title(group), forest_chart(f"{title}, {group}", of, axis, metrics.primary))
        for group, of in groups.items()
    ]


def _end_of_axis(metrics: EvaluationMetrics) -> float:
    """All points lie before it, and intervals but for those of few users, which may be wide."""
    primary = metrics.primary_metric
    points = [part.metrics[primary] for part in metrics.slices.values()]
    points += [part.champion[primary] for part in metrics.slices.values() if part.champion]
    ends = [part.interval.high for part in metrics.slices.values() if part.users >= LEAST_USERS]
    return max([metrics.primary, *points, *ends])


def _group_title(group: str) -> str:
    return "As if users were new" if group == "as if new" else f"By {group}"


def _forest_row(name: str, part: SliceMetrics, primary: str) -> ForestRow:
    other = part.champion[primary] if part.champion else None
    return ForestRow(name, part.metrics[primary], part.interval.low, part.interval.high, other)


def popularity_charts(metrics: EvaluationMetrics) -> list[Chart]:
    """What is popular, and what is recommended, a chart a group."""
    champion = metrics.champion.exposure if metrics.champion else []
    return [
        Chart(heading, drawing) for heading, drawing in exposure_charts(metrics.exposure, champion)
    ]


def training_charts(model: Manifest) -> list[Chart]:
    """Validation and loss of each training that had epochs."""
    curves = model.details["curves"]
    assert isinstance(curves, dict), "written by train"
    found = []
    for name, curve in cast(dict[str, list[dict[str, float]]], curves).items():
        of = f" of {name}" if len(curves) > 1 else ""
        found += [
            Chart(
                f"Validation {metric_name(PRIMARY_METRIC)}{of}",
                curve_chart(
                    f"{name}: validation {PRIMARY_METRIC} by epoch",
                    [epoch[PRIMARY_METRIC] for epoch in curve],
                ),
            ),
            Chart(
                f"Training loss{of}",
                curve_chart(
                    f"{name}: training loss by epoch", [epoch["loss"] for epoch in curve], best=min
                ),
            ),
        ]
    return [chart for chart in found if chart.drawing]


def spectra_chart(spectra: Sequence[Spectrum]) -> str:
    """Singular values; of first rows of several sizes, the size that was trained."""
    trained = {one.dim for one in spectra if one.table == TRAINED_ROWS}
    shown = [
        (f"{one.table} ({one.dim})", one.singular_values)
        for one in spectra
        if one.singular_values and (not one.table.startswith(FIRST_ROWS) or one.dim in trained)
    ]
    return spectrum_chart(shown) if shown else ""
