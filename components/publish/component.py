"""KFP face of `towerflow.steps.publish`."""

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def publish(
    index: dsl.Input[dsl.Artifact],
    metrics: dsl.Input[dsl.Metrics],
    decision: dsl.Input[dsl.Artifact],
    release_root: str,
) -> str:
    """Publish the index as an immutable release; returns its id."""
    from pathlib import Path

    from towerflow.steps.publish import publish

    return publish(
        index=Path(index.path),
        metrics=Path(metrics.path),
        decision=Path(decision.path),
        release_root=release_root,
    )
