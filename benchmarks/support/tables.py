"""Figures of recipes over seeds."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.support.jobs import Figures, Job

Table = dict[str, dict[str, list[Figures]]]  # by data set and recipe, one a seed


def by_recipe(found: Mapping[Job, Figures]) -> Table:
    """Figures of jobs, by data set and recipe."""
    table: Table = {}
    for name, recipe, seed in sorted(found):
        sets = table.setdefault(name, {})
        sets.setdefault(recipe, []).append(found[name, recipe, seed])
    return table


def mean(figures: Sequence[Figures], metric: str) -> float:
    """Over seeds."""
    return statistics.fmean(figure[metric] for figure in figures)


def print_table(name: str, found: Mapping[str, Sequence[Figures]], metrics: Sequence[str]) -> None:
    """Mean ± standard deviation over seeds."""
    print(f"\n{name}: {', '.join(metrics)}; mean ± std over seeds; seconds")
    for recipe, figures in found.items():
        cells = []
        for metric in metrics:
            values = [figure[metric] for figure in figures]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.4f}{spread}")
        print(f"  {recipe:<22} {'  '.join(cells)}  {mean(figures, 'seconds'):.0f} s", flush=True)
