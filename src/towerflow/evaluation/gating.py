"""Whether a model may replace the champion: what is checked, and what comes of it."""

import fnmatch
import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import EvaluationMetrics, SliceMetrics
from towerflow.evaluation.resampling import Change
from towerflow.evaluation.slices import AS_IF_NEW, BUILT_IN

OPEN: Final = "open"
CLOSED: Final = "closed"
COVERAGE: Final = "coverage@10"
LEAST_USERS: Final = 30  # of a slice; resampling fewer tells nothing
GUARDED: Final = ("history: cold", "history: few-shot", "popularity: new", "popularity: tail")

Margin = Annotated[float, Field(ge=0, lt=1)]


class GateConfig(BaseModel):
    """What a challenger may lose, as shares of the champion's figures: .05 is 5 %."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    margin: Margin = Field(
        default=0.05, description="Of the primary metric; 0: it must be shown to be better."
    )
    guarded_slices: tuple[str, ...] = Field(
        default=GUARDED,
        description="Names or patterns of slices. One ending in =0.05 has to be shown to lose no "
        "more than that; another one must not be shown to lose more than slice_margin.",
    )
    slice_margin: Margin = Field(default=0.1, description="Of guarded slices without their own.")
    coverage_margin: Margin = Field(default=0.25, description="Of the coverage of the catalogue.")

    @classmethod
    def parse(
        cls,
        margin: float,
        guarded_slices: Iterable[str],
        slice_margin: float,
        coverage_margin: float,
    ) -> Self:
        """From what a person gave.

        Raises:
            InputError: a margin that is none, or a slice that there can't be.
        """
        try:
            config = cls(
                margin=margin,
                guarded_slices=tuple(guarded_slices),
                slice_margin=slice_margin,
                coverage_margin=coverage_margin,
            )
        except ValidationError as error:
            raise InputError.from_validation("gate", "a margin from 0 to below 1", error) from error
        _parse(config, None)
        return config


class Outcome(StrEnum):
    """Of a check."""

    PASSED = "passed"
    FAILED = "failed"
    UNCLEAR = "unclear"


class Check(BaseModel):
    """One thing that the gate looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    outcome: Outcome = Field(description="Only what failed closes the gate.")
    detail: str = Field(description="What was found, and what was allowed.")


class Decision(BaseModel):
    """The content of `decision.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: str = Field(description=f"{OPEN} or {CLOSED}.")
    reason: str = Field(description="Why, in a sentence.")
    checks: list[Check]
    forced: str = Field(description="Why the checks were overruled; empty if they were not.")
    metric: str = Field(description="The primary metric.")
    challenger: float = Field(description="The new model's value.")
    champion: float | None = Field(
        description="That of the live release's model on the same test; null if nothing is live."
    )
    champion_release: str | None = Field(description="Id of the live release, if there is one.")


class _Guard(NamedTuple):
    """Slices that must not fall."""

    pattern: str
    margin: float
    must_show: bool  # that no more is lost; else a loss has to be shown


def decide(
    metrics: EvaluationMetrics, live: str | None, config: GateConfig, forced: str = ""
) -> Decision:
    """Weigh a model against the champion.

    Args:
        metrics: of the challenger, with the champion's on the same test.
        live: id of the release that is live now.
        config: what may be lost.
        forced: why to open the gate whatever is found; empty: don't.

    Raises:
        InputError: a guarded slice of a kind that there is not.
    """
    guards = _parse(config, metrics.slices)
    checks = [_health(metrics), *_protocol(metrics)]
    champion = metrics.champion
    if live is not None:
        checks += [_same_champion(metrics, live)]
        if champion is not None:
            checks += [
                *_comparable(metrics),
                _primary(metrics, config.margin),
                _coverage(metrics, config.coverage_margin),
                *(check for guard in guards for check in _guarded(metrics, guard)),
            ]
    failed = [check for check in checks if check.outcome is Outcome.FAILED]
    why = "; ".join(f"{check.name}: {check.detail}" for check in failed)
    if forced:
        reason = f"forced: {forced}" + (f"; else closed by {why}" if failed else "")
    elif failed:
        reason = why
    elif live is None:
        reason = "there is no champion yet"
    else:
        reason = next(check.detail for check in checks if check.name == metrics.primary_metric)
    return Decision(
        decision=OPEN if forced or not failed else CLOSED,
        reason=reason,
        checks=checks,
        forced=forced,
        metric=metrics.primary_metric,
        challenger=metrics.primary,
        champion=champion.metrics[metrics.primary_metric] if champion and live else None,
        champion_release=live,
    )


def _health(metrics: EvaluationMetrics) -> Check:
    problems = metrics.health.problems()
    if problems:
        return Check(name="vectors", outcome=Outcome.FAILED, detail="; ".join(problems))
    rank = metrics.health.effective_rank
    used = "" if rank is None else f", {rank:.1f} of {metrics.health.dim} directions"
    return Check(name="vectors", outcome=Outcome.PASSED, detail=f"all finite{used}")


def _protocol(metrics: EvaluationMetrics) -> Iterator[Check]:
    if not metrics.is_full_ranking:
        detail = "only drawn items were ranked, which can order models wrongly"
        yield Check(name="protocol", outcome=Outcome.FAILED, detail=detail)


def _same_champion(metrics: EvaluationMetrics, live: str) -> Check:
    if metrics.unmeasured:
        detail = f"{live} is live, but could not be measured: {metrics.unmeasured}"
        return Check(name="champion", outcome=Outcome.FAILED, detail=detail)
    measured = metrics.champion.release if metrics.champion else "none"
    if measured == live:
        return Check(name="champion", outcome=Outcome.PASSED, detail=f"{live}, scored anew")
    detail = f"{live} is live, but {measured} was measured; run again"
    return Check(name="champion", outcome=Outcome.FAILED, detail=detail)


def _comparable(metrics: EvaluationMetrics) -> Iterator[Check]:
    champion = metrics.champion
    if champion and champion.not_comparable:
        detail = f"the champion may have been trained on what is tested: {champion.not_comparable}"
        yield Check(name="comparable", outcome=Outcome.FAILED, detail=detail)
    if metrics.not_comparable:
        detail = f"the model may have been trained on what is tested: {metrics.not_comparable}"
        yield Check(name="comparable", outcome=Outcome.FAILED, detail=detail)


def _primary(metrics: EvaluationMetrics, margin: float) -> Check:
    name, champion = metrics.primary_metric, metrics.champion
    assert champion is not None, "checked before"
    change = metrics.changes["champion"]
    detail = (
        f"{metrics.primary:.4f} against {champion.metrics[name]:.4f} of {champion.release}, "
        f"{in_words(change)}, {_allowed(margin)}"
    )
    if _holds(change, margin):
        return Check(name=name, outcome=Outcome.PASSED, detail=detail)
    if not change.is_worse and change.low is not None:
        detail += f"; {metrics.num_users:,} test users show no more"
        enough = max(1, math.ceil(-1000 * change.low)) / 1000
        if enough < 1:
            detail += f", a margin of {enough:.1%} would do"
    return Check(name=name, outcome=Outcome.FAILED, detail=detail)


def _coverage(metrics: EvaluationMetrics, margin: float) -> Check:
    assert metrics.champion is not None, "checked before"
    own, other = metrics.model[COVERAGE], metrics.champion.metrics[COVERAGE]
    detail = (
        f"{own:.1%} of the catalogue is recommended, {other:.1%} by the champion; "
        f"at most {_percent(margin)} of that may be lost"
    )
    passed = own >= other * (1 - margin)
    return Check(name=COVERAGE, outcome=Outcome.PASSED if passed else Outcome.FAILED, detail=detail)


def _guarded(metrics: EvaluationMetrics, guard: _Guard) -> Iterator[Check]:
    """A check of each slice that the guard names."""
    found = {
        name: (part, part.champion, part.change)
        for name, part in metrics.slices.items()
        if _matches(name, guard.pattern)
    }
    asked = {name: one for name, one in found.items() if one[1] is not None and one[2] is not None}
    if not asked:
        detail = "nothing of it in this test"
        yield Check(name=guard.pattern, outcome=Outcome.UNCLEAR, detail=detail)
    primary = metrics.primary_metric
    for name, (part, champion, change) in asked.items():
        assert champion is not None, "asked"
        assert change is not None, "asked"
        detail = (
            f"{part.metrics[primary]:.4f} against {champion[primary]:.4f} for {part.users:,} "
            f"users, {in_words(change)}, {_allowed(guard.margin)}"
        )
        outcome = _slice_outcome(part, change, guard)
        if part.users < LEAST_USERS:
            detail += f"; fewer than {LEAST_USERS} users tell nothing"
        elif outcome is Outcome.UNCLEAR and change.is_worse:
            detail += "; worse, but perhaps not by more"
        elif outcome is not Outcome.PASSED and not change.is_worse:
            detail += "; too few users to tell"
        yield Check(name=name, outcome=outcome, detail=detail)


def _slice_outcome(part: SliceMetrics, change: Change, guard: _Guard) -> Outcome:
    if part.users >= LEAST_USERS:
        if _holds(change, guard.margin):
            return Outcome.PASSED
        if change.is_worse and change.change is not None and change.change < -guard.margin:
            return Outcome.FAILED
    return Outcome.FAILED if guard.must_show else Outcome.UNCLEAR


def _holds(change: Change, margin: float) -> bool:
    """Whether it is shown that no more than `margin` is lost; with 0, that something is gained."""
    if not margin:
        return change.is_better
    return change.low is None or change.low >= -margin  # None: the other finds nothing at all


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


def _allowed(margin: float) -> str:
    return f"at most {_percent(margin)} may be lost" if margin else "must be better"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def in_words(change: Change) -> str:
    """As `+1.2 % (95 %: -0.5 to +2.9 %)`."""
    if change.change is None or change.low is None or change.high is None:
        return "which finds nothing"
    return f"{change.change:+.1%} (95 %: {change.low:+.1%} to {change.high:+.1%})"


def _parse(config: GateConfig, slices: Mapping[str, SliceMetrics] | None) -> list[_Guard]:
    """Those as `history: few-shot` or `history: *=0.05`; without `slices`, columns aren't known."""
    guards = []
    for guard in config.guarded_slices:
        pattern, _, own = guard.rpartition("=")
        try:
            parsed = _Guard(pattern, float(own), must_show=True)
        except ValueError:  # there is no =, or it belongs to the name
            parsed = _Guard(guard, config.slice_margin, must_show=False)
        if slices is not None and guard in slices:
            parsed = _Guard(guard, config.slice_margin, must_show=False)
        if not 0 <= parsed.margin < 1:
            raise InputError(
                "guarded_slices", field=guard, expected="a margin from 0 to below 1", found=own
            )
        _require_known(guard, parsed.pattern, slices)
        guards.append(parsed)
    return guards


def _require_known(guard: str, pattern: str, slices: Mapping[str, SliceMetrics] | None) -> None:
    """Refuse what can't be a slice; those of a column come and go with the data, others do not."""
    known = {f"{group}: {name}" for group, names in BUILT_IN.items() for name in names}
    known |= {name for name in slices or () if not name.startswith(f"{AS_IF_NEW}: ")}
    if any(_matches(name, pattern) for name in known):
        return
    group = pattern.partition(": ")[0]
    may_be_column = slices is None or group in {name.partition(": ")[0] for name in known}
    if group in {*BUILT_IN, AS_IF_NEW} or not may_be_column:
        raise InputError(
            "guarded_slices",
            field=guard,
            expected=f"one of {', '.join(sorted(known))}",
            found=f"'{pattern}'",
        )
