"""The report: one HTML file that needs nothing from anywhere."""

from typing import Final

from towerflow.evaluation.assessment import HeldOut, Judged
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.reporting.examples import examples
from towerflow.reporting.page import render_page
from towerflow.reporting.report_charts import (
    cutoff_charts,
    popularity_charts,
    slice_charts,
    spectra_chart,
    training_charts,
)
from towerflow.reporting.report_tables import (
    MEANINGS,
    fate_table,
    full_table,
    key_table,
    slice_table,
    spectrum_table,
)
from towerflow.reporting.verdict import standings, warnings
from towerflow.reporting.wording import figure, metric_name, span
from towerflow.schema import Manifest, Split

TEMPLATE: Final = "report.html.j2"


def render_report(
    test: HeldOut, judged: Judged, metrics: EvaluationMetrics, model: Manifest
) -> str:
    """The page as a string.

    Args:
        test: what was asked.
        judged: the model's lists.
        metrics: all that was measured.
        model: manifest of the RetrievalModel.
    """
    interval = metrics.intervals.get(metrics.primary_metric)
    return render_page(
        TEMPLATE,
        recipe=model.details["recipe"],
        metrics=metrics,
        dataset=test.data,
        primary_name=metric_name(metrics.primary_metric),
        primary=figure(metrics.primary),
        interval=span(interval) if interval else "",
        standings=standings(metrics),
        warnings=warnings(metrics, test),
        key_table=key_table(metrics),
        meanings=MEANINGS,
        full_table=full_table(metrics),
        by_cutoff=cutoff_charts(metrics),
        slice_charts=slice_charts(metrics),
        slice_table=slice_table(metrics) if metrics.slices else None,
        popularity=popularity_charts(metrics),
        trainings=training_charts(model),
        spectrum_table=spectrum_table(metrics.spectra) if metrics.spectra else None,
        spectrum=spectra_chart(metrics.spectra),
        hits=examples(test, judged, hit=True),
        misses=examples(test, judged, hit=False),
        fate_table=fate_table(_fates(test.data.manifest)),
    )


def _fates(dataset: Manifest) -> dict[str, int]:
    """What became of the raw rows: read, rejected by reason, left out by filter, kept."""
    counts, rejected = dataset.counts, dataset.details["rejected"]
    assert isinstance(rejected, dict), "written by preprocess"
    fates = {"items: rows read": counts["item_rows_read"], "items: kept": counts["items"]}
    fates["interactions: rows read"] = counts["interaction_rows_read"]
    fates |= {f"rejected: {reason}": int(str(number)) for reason, number in rejected.items()}
    fates |= {
        f"left out: {name.removeprefix('dropped_').replace('_', ' ')}": number
        for name, number in counts.items()
        if name.startswith("dropped_") and number
    }
    fates["interactions: kept"] = counts["interactions"]
    return fates | {f"for {split}": counts[split] for split in Split}
