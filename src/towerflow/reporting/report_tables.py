"""The tables of a report."""

from collections.abc import Iterator, Mapping
from typing import Final

from towerflow.evaluation.metrics_file import CHAMPION, EvaluationMetrics, SliceMetrics
from towerflow.evaluation.resampling import NUM_RESAMPLES, Interval
from towerflow.evaluation.spectrum import Spectrum
from towerflow.reporting.tables import Cell, Row, Table
from towerflow.reporting.wording import NOTHING, figure, metric_name, signed, signed_span, span

THIS_MODEL: Final = "this model"
KEY_METRICS: Final = (
    "recall@10",
    "ndcg@10",
    "hit_rate@10",
    "mrr@10",
    "map@10",
    "coverage@10",
    "gini@10",
    "novelty@10",
    "intra_list_diversity@10",
)
MEANINGS: Final = {
    "Recall": "the share of what a user took next that stands among the first 10.",
    "NDCG": "the same, but the nearer to the top the more: a hit at rank r counts 1 / log2(r + 1). "
    "Divided by what an ideal list gets, which holds min(relevant, K) items.",
    "Hit rate": "the share of users with at least one hit among the first 10.",
    "MRR": "1 / rank of the first hit, 0 without one among the first 10.",
    "MAP": "the precision at the rank of each hit, divided by all relevant items, as trec_eval "
    "does, not by min(relevant, K).",
    "Coverage": "the share of the catalogue that stands among anybody's first 10.",
    "Gini": "how unequally items are recommended: 0 if all alike, near 1 if always the same few.",
    "Novelty": "how rarely recommended items were taken in training, as −log2 of the share of "
    "users, in bits: 10 is one user in 1,024.",
    "Diversity": "how unlike the items of a list are: 1 − cosine of their LLM embeddings, centred, "
    "mean over pairs. 0 is all alike, about 1 unrelated.",
    "Small figures": f"the 95 % interval of this model's mean, by {NUM_RESAMPLES:,} bootstrap "
    "resamples of the test users.",
    "Ties": "broken against the model: of items that score alike, the one to be found comes last.",
}


def models(metrics: EvaluationMetrics) -> dict[str, dict[str, float]]:
    """Means of this model, the champion if there is one, and the baselines, by name."""
    champion = {CHAMPION: metrics.champion.metrics} if metrics.champion else {}
    baselines = {name.replace("_", " "): of for name, of in metrics.baselines.items()}
    return {THIS_MODEL: metrics.model, **champion, **baselines}


def key_table(metrics: EvaluationMetrics) -> Table:
    """The main metrics at 10, a row a model."""
    names = [name for name in KEY_METRICS if name in metrics.model]
    primary = metrics.primary_metric
    shown = {name: of for name, of in metrics.intervals.items() if name == primary}
    notes = {CHAMPION: metrics.champion.release} if metrics.champion else {}
    rows = [
        Row(
            model,
            [_mean(values, name, shown if model == THIS_MODEL else {}) for name in names],
            notes.get(model, ""),
        )
        for model, values in models(metrics).items()
    ]
    return Table(
        name="metrics at 10",
        caption=f"At K = 10: means over {metrics.num_users:,} test users; coverage and Gini of all "
        "their lists together.",
        columns=("model", *(metric_name(name.removesuffix("@10")) for name in names)),
        bodies=(rows,),
    )


def full_table(metrics: EvaluationMetrics) -> Table:
    """All metrics at all cut-offs, a row a metric."""
    found = models(metrics)
    rows = [
        Row(
            metric_name(name),
            [
                _mean(found[THIS_MODEL], name),
                _interval(metrics.intervals.get(name), name),
                *(_mean(values, name) for model, values in found.items() if model != THIS_MODEL),
            ],
        )
        for name in metrics.model
    ]
    return Table(
        name="all metrics",
        caption="All metrics at all cut-offs.",
        columns=("metric", THIS_MODEL, "95 % interval", *list(found)[1:]),
        bodies=(rows,),
    )


def slice_table(metrics: EvaluationMetrics) -> Table:
    """A row a slice, with the champion if there is one."""
    primary = metrics.primary_metric
    first = next(iter(metrics.slices.values()))
    others = [name for name in first.metrics if name != primary]
    beside = ("champion", "change") if metrics.champion else ()
    return Table(
        name="slices",
        caption="Parts of the test: of each user, what lies in the part is to be found.",
        columns=(
            "slice",
            "users",
            metric_name(primary),
            "95 % interval",
            *beside,
            *map(metric_name, others),
        ),
        bodies=(
            [
                Row(
                    name,
                    [
                        Cell(f"{part.users:,}", part.users),
                        _mean(part.metrics, primary),
                        _interval(part.interval, primary),
                        *(_beside(part, primary) if metrics.champion else ()),
                        *(_mean(part.metrics, other) for other in others),
                    ],
                    part.description,
                )
                for name, part in metrics.slices.items()
            ],
        ),
    )


def spectrum_table(spectra: list[Spectrum]) -> Table:
    """A row a table of numbers."""
    return Table(
        name="singular values of tables",
        caption="Where there are first rows of several sizes, they show which size to take.",
        columns=("table", "columns", "abundance", "rank"),
        bodies=(
            [
                Row(
                    one.table,
                    [
                        Cell(f"{one.dim:,}", one.dim),
                        Cell(f"{one.information_abundance:.1f}", one.information_abundance),
                        Cell(f"{one.effective_rank:.1f}", one.effective_rank),
                    ],
                )
                for one in spectra
            ],
        ),
    )


def fate_table(fates: Mapping[str, int]) -> Table:
    """What became of the raw rows, in that order."""
    return Table(
        name="data",
        caption="Rows of both sources, from raw to split; rejected rows are listed in the Rejected "
        "artifact.",
        columns=("rows", "number"),
        bodies=([Row(fate, [Cell(f"{number:,}")]) for fate, number in fates.items()],),
        is_sortable=False,
    )


def _mean(
    values: Mapping[str, float], name: str, intervals: Mapping[str, Interval] | None = None
) -> Cell:
    """The cell of one metric; a dash where there is none."""
    value = values.get(name)
    if figure(value) == NOTHING:
        return Cell(NOTHING)
    interval = (intervals or {}).get(name)
    return Cell(figure(value, name), value, span(interval, name) if interval else "")


def _interval(interval: Interval | None, name: str) -> Cell:
    return Cell(span(interval, name), interval.low) if interval else Cell(NOTHING)


def _beside(part: SliceMetrics, primary: str) -> Iterator[Cell]:
    """The champion's mean, and how this model differs."""
    yield _mean(part.champion or {}, primary)
    change = part.change
    if change is None:
        yield Cell(NOTHING)
        return
    shown = " better" if change.is_better else " worse" if change.is_worse else ""
    yield Cell(f"{signed(change.change)}{shown}", change.change, signed_span(change))
