"""KFP face of `towerflow.steps.gate`."""

from typing import List  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def gate(
    metrics: dsl.Input[dsl.Metrics],
    release_root: str,
    margin: float,
    guarded_slices: List[str],  # noqa: UP006
    slice_margin: float,
    coverage_margin: float,
    force: str,
    decision: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
) -> str:
    """Weigh the model against the live release's; returns "open" or "closed"."""
    from pathlib import Path

    from towerflow.steps.gate import gate

    return gate(
        metrics=Path(metrics.path),
        release_root=release_root,
        margin=margin,
        guarded_slices=guarded_slices,
        slice_margin=slice_margin,
        coverage_margin=coverage_margin,
        force=force,
        decision=Path(decision.path),
        summary=Path(summary.path),
    )
