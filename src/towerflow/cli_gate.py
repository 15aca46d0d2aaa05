"""Options of the gate: what a new model may lose against the live one."""

from typing import Annotated, Any, Final

import typer

from towerflow.evaluation.gating import GateConfig

PANEL: Final = "Gate"
DEFAULTS: Final = GateConfig()

Margin = Annotated[
    float,
    typer.Option(
        "--gate-margin",
        help="Share of the live model's NDCG@10 that may be lost; 0: it must be better.",
        rich_help_panel=PANEL,
    ),
]
GuardedSlices = Annotated[
    list[str] | None,
    typer.Option(
        "--guarded-slice",
        help="A slice that must not fall, as 'history: cold' or 'popularity: *=0.05'; repeat. "
        "They are guarded in place of the usual ones; '' alone: none.",
        show_default=", ".join(DEFAULTS.guarded_slices),
        rich_help_panel=PANEL,
    ),
]
SliceMargin = Annotated[
    float,
    typer.Option(
        help="Share that a guarded slice may lose if it has no margin of its own.",
        rich_help_panel=PANEL,
    ),
]
CoverageMargin = Annotated[
    float,
    typer.Option(
        help="Share of the live model's coverage of the catalogue that may be lost.",
        rich_help_panel=PANEL,
    ),
]
Force = Annotated[
    str,
    typer.Option(
        help="Why to publish whatever the gate finds; recorded in the release.",
        rich_help_panel=PANEL,
    ),
]


def arguments(
    margin: float,
    guarded_slices: list[str] | None,
    slice_margin: float,
    coverage_margin: float,
    force: str,
) -> dict[str, Any]:
    """For the pipeline; a mistake in them is told before anything runs.

    Raises:
        InputError: a margin that is none, or a slice that there can't be.
    """
    guarded = DEFAULTS.guarded_slices if guarded_slices is None else filter(None, guarded_slices)
    config = GateConfig.parse(margin, guarded, slice_margin, coverage_margin)
    return {
        "gate_margin": config.margin,
        "guarded_slices": list(config.guarded_slices),
        "slice_margin": config.slice_margin,
        "coverage_margin": config.coverage_margin,
        "force": force,
    }
