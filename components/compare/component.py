"""KFP face of `towerflow.steps.compare`."""

from typing import List  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def compare(
    metrics: dsl.Input[List[dsl.Metrics]],  # noqa: UP006
    recipes: List[str],  # noqa: UP006
    comparison: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
):
    """Put recipes beside each other, over seeds, and write the report."""
    from pathlib import Path

    from towerflow.steps.compare import compare

    compared = compare(
        metrics=[Path(one.path) for one in metrics],
        recipes=recipes,
        comparison=Path(comparison.path),
        report=Path(report.path),
    )
    for name, value in compared.items():
        comparison.log_metric(name, value)
