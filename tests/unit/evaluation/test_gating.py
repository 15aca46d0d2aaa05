"""What closes the gate, what doesn't, and what is said of it; on made-up figures."""

import re

import pytest
from pydantic import ValidationError

from tests.unit.evaluation.decisions import (
    EQUAL,
    HARDLY_BETTER,
    HARDLY_WORSE,
    detail,
    guarded,
    outcome,
)
from tests.unit.evaluation.made_up import LIVE, NO_SHARE, SOUND, change, metrics, part
from towerflow.evaluation.gating import (
    CLOSED,
    COVERAGE,
    OPEN,
    Decision,
    GateConfig,
    Outcome,
    decide,
    in_words,
)
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.evaluation.resampling import Change

UNGUARDED = GateConfig(guarded_slices=())


def test_without_a_champion_the_gate_is_open() -> None:
    found = decide(metrics(), None, GateConfig())
    assert (found.decision, found.reason) == (OPEN, "there is no champion yet")
    assert (found.champion, found.champion_release, found.forced) == (None, None, "")
    assert [check.name for check in found.checks] == ["vectors"]
    assert found.challenger == 0.2


@pytest.mark.parametrize(
    ("found", "margin", "decision"),
    [
        (change(0.01, 0.03), 0.05, OPEN),  # better
        (change(-0.01, 0.03), 0.05, OPEN),  # equal, and it is known well
        (change(-0.05, 0.03), 0.05, OPEN),  # may have lost 5 %, which is allowed
        (change(-0.051, 0.03), 0.05, CLOSED),
        (change(-0.2, 0.3), 0.05, CLOSED),  # looks better, but nobody knows
        (change(-0.04, -0.01), 0.05, OPEN),  # shown to be worse, by no more than allowed
        (change(-0.3, -0.1), 0.05, CLOSED),  # worse
        (change(-0.2, 0.3), 0.2, OPEN),
        (change(0.001, 0.3), 0.0, OPEN),
        (change(-0.001, 0.3), 0.0, CLOSED),  # not shown to be better
        (change(0.0, 0.0), 0.0, CLOSED),  # the same model again
        (change(0.0, 0.0), 0.05, OPEN),
        (HARDLY_BETTER, 0.05, OPEN),
        (HARDLY_BETTER, 0.0, CLOSED),
        (HARDLY_BETTER.model_copy(update={"p_value": 0.049}), 0.0, OPEN),
        (HARDLY_WORSE, 0.05, CLOSED),
        (NO_SHARE, 0.05, OPEN),  # a champion that finds nothing
        (NO_SHARE, 0.0, CLOSED),  # so does the other, for all that is known
        (NO_SHARE.model_copy(update={"p_value": 0.01}), 0.0, OPEN),
    ],
)
def test_no_more_than_the_margin_may_be_lost_for_sure(
    found: Change, margin: float, decision: str
) -> None:
    config = GateConfig(margin=margin, guarded_slices=())
    decided = decide(metrics(found), LIVE, config)
    assert decided.decision == decision
    assert outcome(decided, "ndcg@10") is (Outcome.PASSED if decision == OPEN else Outcome.FAILED)
    assert detail(decided, "ndcg@10") in decided.reason
    assert (decided.metric, decided.champion, decided.champion_release) == ("ndcg@10", 0.2, LIVE)


def test_what_was_found_and_what_is_allowed_is_said() -> None:
    decided = decide(metrics(change(-0.2, 0.3)), LIVE, UNGUARDED)
    assert decided.reason == (
        "ndcg@10: 0.2100 against 0.2000 of r-live, +5.0% (95 %: -20.0% to +30.0%), at most 5% may "
        "be lost; 1,000 test users show no more, a margin of 20.0% would do"
    )
    worse = decide(metrics(change(-0.3, -0.1)), LIVE, UNGUARDED)
    assert worse.reason.endswith("-20.0% (95 %: -30.0% to -10.0%), at most 5% may be lost")
    strict = decide(metrics(EQUAL), LIVE, GateConfig(margin=0, guarded_slices=()))
    assert "must be better" in strict.reason
    assert in_words(NO_SHARE) == "which finds nothing"


@pytest.mark.parametrize("margin", [0.0, 0.05])
@pytest.mark.parametrize(
    "found",
    [change(-0.2, 0.3), change(-0.0571, 0.1), change(-1.0, 0.5), change(0.0, 0.0), HARDLY_BETTER],
)
def test_a_margin_that_would_do_does(found: Change, margin: float) -> None:
    closed = decide(metrics(found), LIVE, GateConfig(margin=margin, guarded_slices=()))
    said = re.search(r"a margin of ([\d.]+)% would do", closed.reason)
    if said:
        enough = GateConfig(margin=float(said[1]) / 100, guarded_slices=())
        assert decide(metrics(found), LIVE, enough).decision == OPEN


@pytest.mark.parametrize(
    ("margin", "said"),
    [(0.05, "5%"), (0.125, "12.5%"), (0.001, "0.1%"), (0.07, "7%"), (0.9999, "100%")],
)
def test_margins_are_told_in_three_digits(margin: float, said: str) -> None:
    config = GateConfig(
        margin=margin,
        coverage_margin=margin,
        slice_margin=margin,
        guarded_slices=("history: cold", f"history: long={margin}"),
    )
    slices = {name: part(1000, EQUAL) for name in ("history: cold", "history: long")}
    decided = decide(metrics(EQUAL, slices=slices), LIVE, config)
    assert f", at most {said} may be lost" in detail(decided, "ndcg@10")
    assert detail(decided, COVERAGE).endswith(f"; at most {said} of that may be lost")
    assert f", at most {said} may be lost" in detail(decided, "history: cold")
    assert f", at most {said} may be lost" in detail(decided, "history: long")


@pytest.mark.parametrize(
    ("own", "others", "margin", "expected"),
    [
        (0.5, 0.5, 0.25, Outcome.PASSED),
        (0.375, 0.5, 0.25, Outcome.PASSED),  # 3/4
        (0.374, 0.5, 0.25, Outcome.FAILED),
        (0.49, 0.5, 0.0, Outcome.FAILED),
        (0.0, 0.0, 0.25, Outcome.PASSED),
    ],
)
def test_coverage_may_not_fall_by_more_than_its_margin(
    own: float, others: float, margin: float, expected: Outcome
) -> None:
    found = metrics(change(0.1, 0.2), coverage=own, champion_coverage=others)
    decided = decide(found, LIVE, GateConfig(coverage_margin=margin, guarded_slices=()))
    assert outcome(decided, COVERAGE) is expected
    assert decided.decision == (OPEN if expected is Outcome.PASSED else CLOSED)


@pytest.mark.parametrize("field", ["margin", "slice_margin", "coverage_margin"])
@pytest.mark.parametrize("value", [-0.01, 1.0, float("nan")])
def test_so_is_every_margin(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        GateConfig.model_validate({field: value})


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"broken_items": 1}, "1 item vectors and 0 user vectors are not finite"),
        ({"broken_users": 2}, "0 item vectors and 2 user vectors are not finite"),
        ({"zero_items": 1000}, "no item has a vector"),
        ({"effective_rank": 1.2}, "collapsed: 1.2 of 64 directions"),
        ({"longest_norm": 2000.0}, "2,000 times as long"),
    ],
)
@pytest.mark.parametrize("live", [None, LIVE])
def test_vectors_that_cannot_be_served_close_the_gate_champion_or_not(
    broken: dict[str, float], said: str, live: str | None
) -> None:
    health = SOUND.model_copy(update=broken)
    better = change(0.1, 0.2) if live else None
    decided = decide(metrics(better, health=health), live, UNGUARDED)
    assert decided.decision == CLOSED
    assert outcome(decided, "vectors") is Outcome.FAILED
    assert said in decided.reason


@pytest.mark.parametrize("live", [None, LIVE])
def test_figures_of_drawn_items_close_the_gate(live: str | None) -> None:
    found = metrics(change(0.1, 0.2) if live else None, full_ranking=False)
    decided = decide(found, live, UNGUARDED)
    assert decided.decision == CLOSED
    assert decided.reason.startswith("protocol: only drawn items were ranked")


def test_a_champion_that_changed_meanwhile_closes_the_gate() -> None:
    decided = decide(metrics(change(0.1, 0.2), release="r-old"), LIVE, UNGUARDED)
    assert decided.decision == CLOSED
    assert decided.reason == "champion: r-live is live, but r-old was measured; run again"
    assert outcome(decided, "ndcg@10") is Outcome.PASSED


def test_a_champion_that_was_not_measured_closes_the_gate() -> None:
    decided = decide(metrics(), LIVE, UNGUARDED)
    assert (decided.decision, decided.champion) == (CLOSED, None)
    assert decided.reason == "champion: r-live is live, but none was measured; run again"


def test_a_champion_that_is_live_no_more_is_none() -> None:
    """Measured, then taken down."""
    decided = decide(metrics(change(0.1, 0.2)), None, UNGUARDED)
    assert (decided.decision, decided.champion, decided.champion_release) == (OPEN, None, None)


def test_a_champion_that_may_know_the_test_closes_the_gate() -> None:
    found = metrics(change(0.1, 0.2), not_comparable="it was trained with other settings")
    decided = decide(found, LIVE, UNGUARDED)
    assert decided.decision == CLOSED
    assert outcome(decided, "comparable") is Outcome.FAILED
    assert decided.reason.endswith("on what is tested: it was trained with other settings")


def test_a_model_that_may_know_the_test_closes_the_gate_too() -> None:
    """It may have begun as another; two that may know it are no better."""
    found = metrics(change(0.1, 0.2)).model_copy(update={"not_comparable": "it began elsewhere"})
    decided = decide(found, LIVE, UNGUARDED)
    assert decided.decision == CLOSED
    assert outcome(decided, "comparable") is Outcome.FAILED
    assert decided.reason == (
        "comparable: the model may have been trained on what is tested: it began elsewhere"
    )
    both = metrics(change(0.1, 0.2), not_comparable="it is old").model_copy(
        update={"not_comparable": "it began elsewhere"}
    )
    reason = decide(both, LIVE, UNGUARDED).reason
    assert "the champion may have been trained on what is tested: it is old" in reason
    assert "the model may have been trained on what is tested: it began elsewhere" in reason


def test_where_nothing_is_live_a_model_has_nothing_to_be_compared_with() -> None:
    found = metrics().model_copy(update={"not_comparable": "it began elsewhere"})
    assert decide(found, None, UNGUARDED).decision == OPEN


def test_a_champion_that_could_not_be_measured_closes_the_gate_until_it_is_forced() -> None:
    found = metrics().model_copy(update={"unmeasured": "it is of an unknown kind"})
    closed = decide(found, LIVE, GateConfig())
    assert (closed.decision, closed.champion, closed.champion_release) == (CLOSED, None, LIVE)
    assert [check.name for check in closed.checks] == ["vectors", "champion"]
    assert closed.reason == (
        "champion: r-live is live, but could not be measured: it is of an unknown kind"
    )
    forced = decide(found, LIVE, GateConfig(), "it is too old")
    assert (forced.decision, forced.forced) == (OPEN, "it is too old")
    assert forced.champion_release == LIVE
    assert forced.reason == f"forced: it is too old; else closed by {closed.reason}"


@pytest.mark.parametrize(
    ("rank", "said"), [(40.0, "all finite, 40.0 of 64 directions"), (None, "all finite")]
)
def test_sound_vectors_say_how_many_directions_they_use_if_it_is_known(
    rank: float | None, said: str
) -> None:
    health = SOUND.model_copy(update={"effective_rank": rank})
    decided = decide(metrics(health=health), None, UNGUARDED)
    assert outcome(decided, "vectors") is Outcome.PASSED
    assert detail(decided, "vectors") == said


def everything_wrong() -> EvaluationMetrics:
    return metrics(
        change(-0.3, -0.2),
        slices={"history: cold": part(100, change(-0.9, -0.5))},
        coverage=0.1,
        health=SOUND.model_copy(update={"broken_items": 3}),
        full_ranking=False,
        release="r-old",
        not_comparable="why",
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    decided = decide(everything_wrong(), LIVE, guarded("history: cold"))
    names = ["vectors", "protocol", "champion", "comparable", "ndcg@10", COVERAGE, "history: cold"]
    assert [check.name for check in decided.checks] == names
    assert {check.outcome for check in decided.checks} == {Outcome.FAILED}
    assert all(f"{name}: " in decided.reason for name in names)


def test_forced_it_is_open_and_what_was_overruled_stays_on_record() -> None:
    closed = decide(everything_wrong(), LIVE, guarded("history: cold"))
    forced = decide(everything_wrong(), LIVE, guarded("history: cold"), "the shop moved")
    assert (forced.decision, forced.forced) == (OPEN, "the shop moved")
    assert forced.checks == closed.checks
    assert forced.reason == f"forced: the shop moved; else closed by {closed.reason}"


def test_forced_without_need_is_on_record_too() -> None:
    found = decide(metrics(change(0.1, 0.2)), LIVE, UNGUARDED, "to be sure")
    assert (found.decision, found.forced) == (OPEN, "to be sure")
    assert found.reason == "forced: to be sure"
    first = decide(metrics(), None, UNGUARDED, "to be sure")
    assert (first.decision, first.forced) == (OPEN, "to be sure")


def test_a_decision_is_read_back_as_written() -> None:
    decided = decide(everything_wrong(), LIVE, guarded("history: cold"))
    assert Decision.model_validate_json(decided.model_dump_json()) == decided
