"""The report: one HTML file that needs nothing from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from towerflow.evaluation.charts import bar_chart, line_chart
from towerflow.evaluation.collapse import FIRST_ROWS, TRAINED_ROWS
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.evaluation.page import render_page
from towerflow.evaluation.protocol import CUTOFFS, PRIMARY_METRIC, Result, Task
from towerflow.evaluation.spectrum import Spectrum
from towerflow.evaluation.spectrum_chart import spectrum_chart
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray
from towerflow.interactions.splits import SplitKind
from towerflow.retrieval.topk import NO_ITEM
from towerflow.schema import Manifest, Split

TEMPLATE: Final = "report.html.j2"
NUM_EXAMPLES: Final = 3  # of each kind
SHOWN_ITEMS: Final = 10
CAVEATS: Final = {
    SplitKind.RANDOM.value: "The split is random: what users did later helps to tell what they did "
    "before, so these numbers are too good to be true.",
    SplitKind.NEW_ITEMS.value: "The items that are tested were never trained on; models that know "
    "items by their id alone cannot find them.",
}


@dataclass(frozen=True)
class Example:
    """One test user: what they did, what they were offered, what they did next."""

    user_id: str
    history: list[str]
    recommended: list[tuple[str, bool]]  # title, whether it is what came next
    next_items: list[str]


def render_report(
    dataset: Dataset, task: Task, result: Result, metrics: EvaluationMetrics, model: Manifest
) -> str:
    """The page as a string."""
    rows = {"this model": metrics.model, **metrics.baselines}
    primary = {name: values[PRIMARY_METRIC] for name, values in rows.items()}
    best_baseline = max(metrics.baselines, key=lambda name: primary[name])
    return render_page(
        TEMPLATE,
        metrics=metrics,
        names=list(metrics.model),
        rows=rows,
        recipe=model.details["recipe"],
        better=primary["this model"] > primary[best_baseline],
        ratio=primary["this model"] / primary[best_baseline] if primary[best_baseline] else None,
        best_baseline=best_baseline,
        dataset=dataset,
        bars={
            f"NDCG@{k}": bar_chart(
                f"NDCG@{k}", [(name, values[f"ndcg@{k}"]) for name, values in rows.items()]
            )
            for k in CUTOFFS
        },
        trainings=_trainings(model),
        spectra=metrics.spectra,
        spectrum=spectrum_chart(_shown(metrics.spectra)) if metrics.spectra else "",
        hits=_examples(dataset, task, result, hit=True),
        misses=_examples(dataset, task, result, hit=False),
        fates=_fates(dataset.manifest),
        caveat=CAVEATS.get(dataset.split_kind, ""),
    )


def _fates(dataset: Manifest) -> list[tuple[str, int]]:
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
    return [*fates.items(), *((f"for {split}", counts[split]) for split in Split)]


def _trainings(model: Manifest) -> dict[str, dict[str, str]]:
    """Charts of each training: title by title."""
    curves = model.details["curves"]
    assert isinstance(curves, dict), "written by train"
    return {
        name: {
            f"Validation {PRIMARY_METRIC.upper()} over {len(curve)} epochs": line_chart(
                f"{name}: validation {PRIMARY_METRIC} by epoch",
                [epoch[PRIMARY_METRIC] for epoch in curve],
            ),
            f"Training loss over {len(curve)} epochs": line_chart(
                f"{name}: training loss by epoch", [epoch["loss"] for epoch in curve], best=min
            ),
        }
        for name, curve in cast(dict[str, list[dict[str, float]]], curves).items()
        if curve
    }


def _shown(spectra: Sequence[Spectrum]) -> list[tuple[str, Sequence[float]]]:
    """Tables that are drawn: of first rows of several sizes, the size that was trained."""
    trained = {one.dim for one in spectra if one.table == TRAINED_ROWS}
    return [
        (f"{one.table} ({one.dim})", one.singular_values)
        for one in spectra
        if one.singular_values and (not one.table.startswith(FIRST_ROWS) or one.dim in trained)
    ]


def _examples(dataset: Dataset, task: Task, result: Result, *, hit: bool) -> list[Example]:
    """The first users, by id, whose next item is (or isn't) among the first ten."""
    found = result.per_user["recall@10"] > 0
    return [_example(dataset, task, result, int(row)) for row in np.flatnonzero(found == hit)][
        :NUM_EXAMPLES
    ]


def _example(dataset: Dataset, task: Task, result: Result, row: int) -> Example:
    relevant = set(task.relevant[row].tolist())
    top = result.recommended[row][:SHOWN_ITEMS]
    return Example(
        user_id=dataset.user_ids[task.users[row]],
        history=_titles(dataset, task.histories[row][::-1][:SHOWN_ITEMS]),
        recommended=[(dataset.titles[i], int(i) in relevant) for i in top if i != NO_ITEM],
        next_items=_titles(dataset, task.relevant[row]),
    )


def _titles(dataset: Dataset, items: IntArray) -> list[str]:
    return [dataset.titles[item] for item in items]
