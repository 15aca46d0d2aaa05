"""What tests of the gate share: changes that tell little, and what was decided of them."""

from tests.unit.evaluation.made_up import change
from towerflow.evaluation.gating import Decision, GateConfig, Outcome
from towerflow.evaluation.resampling import Change

EQUAL = change(-0.01, 0.01)
# The interval says so, the test does not.
HARDLY_BETTER = Change(change=0.2, low=0.1, high=0.3, p_value=0.06)
HARDLY_WORSE = Change(change=-0.2, low=-0.3, high=-0.1, p_value=0.06)


def outcome(decision: Decision, name: str) -> Outcome:
    """Of the one check of that name."""
    found = [check.outcome for check in decision.checks if check.name == name]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def detail(decision: Decision, name: str) -> str:
    return next(check.detail for check in decision.checks if check.name == name)


def guarded(*guards: str, margin: float = 0.1) -> GateConfig:
    return GateConfig(guarded_slices=guards, slice_margin=margin)
