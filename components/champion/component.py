"""KFP face of `towerflow.steps.champion`."""

from typing import NamedTuple

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def champion(
    release_root: str,
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    decision: dsl.Output[dsl.Artifact],
) -> NamedTuple(
    "Outputs",
    [
        ("release", str),
        ("encoder_fingerprint", str),
        ("pooling", str),
        ("layer", int),
        ("prompt", str),
        ("l2", str),
        ("max_tokens", int),
        ("precision", str),
    ],
):
    """Take the model out of the live release, and how its texts were embedded."""
    from pathlib import Path

    from towerflow.steps.champion import champion

    return champion(
        release_root=release_root,
        model=Path(model.path),
        metrics=Path(metrics.path),
        decision=Path(decision.path),
    )
