"""What a person sees at the end of a run."""

import random
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from towerflow.evaluation.comparison import Comparison, Spread
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.retrieval.release import Release
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import REJECTED_FILE
from towerflow.storage.artifact import read_manifest

NUM_SHOWN = 10


def print_run(
    console: Console, outputs: Mapping[str, str], release_root: str, report: Path, recipe: str
) -> None:
    """Dataset counts, metrics beside the baselines, the gate, paths, and real recommendations."""
    print_counts(console, Path(outputs["dataset"]), Path(outputs["rejected"]))
    metrics = EvaluationMetrics.read(Path(outputs["metrics"]))
    print_metrics(console, metrics, recipe)
    console.print(f"report   {report}", soft_wrap=True)
    release = Release.open(release_root)
    console.print(
        f"index    {ReleaseRoot(release_root).folder(release.release_id)}", soft_wrap=True
    )
    console.print(f"         {release.index.record.in_words}", soft_wrap=True)
    print_example(console, release)


def print_counts(console: Console, dataset: Path, rejected: Path) -> None:
    """What there is, what could not be used and where it lies, what was left out on purpose."""
    counts = read_manifest(dataset).counts
    kept = ", ".join(f"{counts[name]:,} {name}" for name in ("items", "users", "interactions"))
    num_rejected = counts["rejected_items"] + counts["rejected_interactions"]
    console.print(f"\ndataset  {kept}, {num_rejected:,} rows rejected")
    if num_rejected:
        console.print(f"rejected {rejected / REJECTED_FILE}", soft_wrap=True)
    dropped = [
        f"{number:,} ({name.removeprefix('dropped_').replace('_', ' ')})"
        for name, number in counts.items()
        if name.startswith("dropped_") and number
    ]
    if dropped:
        console.print(f"left out {', '.join(dropped)}")


def print_metrics(console: Console, metrics: EvaluationMetrics, recipe: str) -> None:
    """Recall and NDCG at 10 of the model, of what is live and of the baselines."""
    table = Table("test metrics", "Recall@10", "NDCG@10", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {f"{recipe} (this model)": metrics.model}
    if metrics.champion:
        rows[f"{metrics.champion.release} (live)"] = metrics.champion.metrics
    for name, values in {**rows, **metrics.baselines}.items():
        table.add_row(name, f"{values['recall@10']:.4f}", f"{values['ndcg@10']:.4f}")
    console.print(table)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Recall and NDCG at 10 of each recipe, the best first, and how it differs from the first."""
    reference = f"over {comparison.reference}"
    caption = "below the line: baselines" if comparison.other_baselines else None
    table = Table("recipe", "Recall@10", "NDCG@10", reference, "p", caption=caption)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in comparison.recipes:
        change, p_value = ("", "")
        if one.difference:
            share = one.difference.change
            change = "–" if share is None else f"{share:+.1%}"
            p_value = f"{one.difference.p_value:.4f}"
        table.add_row(
            one.recipe,
            *(_spread(one.metrics[name]) for name in ("recall@10", "ndcg@10")),
            change,
            p_value,
        )
    table.add_section()
    for name, values in comparison.other_baselines.items():
        table.add_row(name, *(f"{values[metric]:.4f}" for metric in ("recall@10", "ndcg@10")))
    console.print(table)


def _spread(value: Spread) -> str:
    return f"{value.mean:.4f}" + (f" ± {value.std:.4f}" if value.std is not None else "")


def print_example(console: Console, release: Release) -> None:
    """Ten recommendations for one user, beside that user's history."""
    user = random.Random(0).choice(release.user_ids)  # noqa: S311 (any will do, the same each time)
    history = release.history_of(user)
    recommended = release.recommend(user=user, k=min(NUM_SHOWN, release.num_items))
    print_recommendations(
        console,
        f"user {user}: {len(history)} items, newest first",
        release.titles(history[::-1][:NUM_SHOWN]),
        [f"{item.title}  {item.score:.3f}" for item in recommended],
    )


def print_recommendations(
    console: Console, heading: str, history: list[str], recommended: list[str]
) -> None:
    """A history beside what is recommended for it."""
    table = Table("", heading, "recommended", show_lines=False)
    for row in range(max(len(history), len(recommended))):
        left = history[row] if row < len(history) else ""
        right = recommended[row] if row < len(recommended) else ""
        table.add_row(str(row + 1), left, right)
    console.print(table)
