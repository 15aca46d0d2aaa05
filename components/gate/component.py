"""KFP face of `towerflow.steps.gate`."""

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def gate(
    metrics: dsl.Input[dsl.Metrics],
    release_root: str,
    decision: dsl.Output[dsl.Artifact],
) -> str:
    """Compare with the live release; returns "open" or "closed"."""
    from pathlib import Path

    from towerflow.steps.gate import gate

    return gate(
        metrics=Path(metrics.path),
        release_root=release_root,
        decision=Path(decision.path),
    )
