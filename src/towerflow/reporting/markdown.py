"""Metrics and decisions as Markdown: for the UI, a pull request or a chat."""

import re
from collections.abc import Iterable, Mapping, Sequence

from towerflow.evaluation.gating import OPEN, Decision, in_words
from towerflow.evaluation.metrics_file import CHAMPION, EvaluationMetrics
from towerflow.evaluation.training_record import TrainingRecord
from towerflow.retrieval.item_index import IndexRecord

SHOWN = ("recall@10", "ndcg@10", "hit_rate@10", "mrr@10", "map@10", "coverage@10")


def summarise(metrics: EvaluationMetrics, record: TrainingRecord) -> str:
    """What was found of a model, in a page of Markdown."""
    primary = metrics.primary_metric
    interval = metrics.intervals[primary]
    lines = [
        f"# {record.title}: {primary} {metrics.primary:.4f}",
        "",
        f"95 % interval {interval.low:.4f} to {interval.high:.4f}, over {metrics.num_users:,} "
        f"users and {metrics.num_items:,} items. Protocol: {metrics.protocol}.",
        "",
        *(f"- mind: {_cell(doubt)}" for doubt in _doubts(metrics)),
        *(
            f"- against {name}: {in_words(change)}, p = {change.p_value:.4f}"
            for name, change in metrics.changes.items()
        ),
        "",
        *_table(("model", *SHOWN), _rows(metrics)),
        "",
        *_table(
            ("slice", "users", primary, "95 % interval"),
            (
                (
                    f"{name} ({part.description})",
                    f"{part.users:,}",
                    f"{part.metrics[primary]:.4f}",
                    f"{part.interval.low:.4f} to {part.interval.high:.4f}",
                )
                for name, part in metrics.slices.items()
            ),
        ),
        "",
    ]
    return "\n".join(lines)


def summarise_decision(decision: Decision) -> str:
    """What the gate decided, and by what."""
    verdict = "The gate is open" if decision.decision == OPEN else "The gate is closed"
    if decision.forced:
        verdict = "The gate was forced open"
    checks = ((check.name, check.outcome.value, check.detail) for check in decision.checks)
    lines = [f"# {verdict}", "", _cell(decision.reason), ""]
    return "\n".join([*lines, *_table(("check", "outcome", "found"), checks), ""])


def summarise_index(
    record: IndexRecord, num_items: int, dim: int, took: Mapping[str, float]
) -> str:
    """What an index is, how much it finds and how fast."""
    rows = [
        ("items × dimensions", f"{num_items:,} × {dim}"),
        ("kind", f"{record.kind.value}: {record.note}"),
        (
            f"recall@{record.recall_k}, {record.num_queries} held-out users and items",
            f"{record.recall:.4f} (target {record.recall_target:g})",
        ),
        ("items compared for a query", f"{record.compared:.1%}"),
        ("memory when served", f"{record.memory_bytes / 2**20:,.1f} MB"),
        *((name.replace("_", " "), f"{value:g}") for name, value in took.items()),
    ]
    return "\n".join([f"# Index: {record.kind.value}", "", *_table(("what", "found"), rows), ""])


def _doubts(metrics: EvaluationMetrics) -> Iterable[str]:
    if not metrics.is_full_ranking:
        yield "only drawn items were ranked, which can order models wrongly"
    if metrics.not_comparable:
        yield f"the model may have been trained on what is tested: {metrics.not_comparable}"
    if metrics.unmeasured:
        yield f"what is live could not be scored: {metrics.unmeasured}"
    if metrics.champion and metrics.champion.not_comparable:
        why = metrics.champion.not_comparable
        yield f"the champion may have been trained on what is tested: {why}"


def _rows(metrics: EvaluationMetrics) -> Iterable[tuple[str, ...]]:
    models = {"this model": metrics.model}
    if metrics.champion:
        models[f"{CHAMPION} {metrics.champion.release}"] = metrics.champion.metrics
    for name, values in {**models, **metrics.baselines}.items():
        yield (name, *(f"{values[metric]:.4f}" for metric in SHOWN))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """On one line; text of the data can't end a cell, begin a tag, or make a link or a picture."""
    escaped = re.sub(r"([\\|\[`])", r"\\\1", " ".join(text.split()))
    return escaped.replace("<", "&lt;")
