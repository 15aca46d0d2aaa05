"""What closes the gate, what doesn't, and what is said of it; on made-up figures."""

import re

import pytest
from pydantic import ValidationError

from tests.unit.evaluation.held_out import shown
from tests.unit.evaluation.made_up import LIVE, NO_SHARE, SOUND, metrics, part
from towerflow.errors import InputError
from towerflow.evaluation.gating import (
    CLOSED,
    COVERAGE,
    LEAST_USERS,
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
EQUAL = shown(-0.01, 0.01)
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


def test_without_a_champion_the_gate_is_open() -> None:
    found = decide(metrics(), None, GateConfig())
    assert (found.decision, found.reason) == (OPEN, "there is no champion yet")
    assert (found.champion, found.champion_release, found.forced) == (None, None, "")
    assert [check.name for check in found.checks] == ["vectors"]
    assert found.challenger == 0.2


@pytest.mark.parametrize(
    ("found", "margin", "decision"),
    [
        (shown(0.01, 0.03), 0.05, OPEN),  # better
        (shown(-0.01, 0.03), 0.05, OPEN),  # equal, and it is known well
        (shown(-0.05, 0.03), 0.05, OPEN),  # may have lost 5 %, which is allowed
        (shown(-0.051, 0.03), 0.05, CLOSED),
        (shown(-0.2, 0.3), 0.05, CLOSED),  # looks better, but nobody knows
        (shown(-0.04, -0.01), 0.05, OPEN),  # shown to be worse, by no more than allowed
        (shown(-0.3, -0.1), 0.05, CLOSED),  # worse
        (shown(-0.2, 0.3), 0.2, OPEN),
        (shown(0.001, 0.3), 0.0, OPEN),
        (shown(-0.001, 0.3), 0.0, CLOSED),  # not shown to be better
        (shown(0.0, 0.0), 0.0, CLOSED),  # the same model again
        (shown(0.0, 0.0), 0.05, OPEN),
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
    decided = decide(metrics(shown(-0.2, 0.3)), LIVE, UNGUARDED)
    assert decided.reason == (
        "ndcg@10: 0.2100 against 0.2000 of r-live, +5.0% (95 %: -20.0% to +30.0%), at most 5% may "
        "be lost; 1,000 test users show no more, a margin of 20.0% would do"
    )
    worse = decide(metrics(shown(-0.3, -0.1)), LIVE, UNGUARDED)
    assert worse.reason.endswith("-20.0% (95 %: -30.0% to -10.0%), at most 5% may be lost")
    strict = decide(metrics(EQUAL), LIVE, GateConfig(margin=0, guarded_slices=()))
    assert "must be better" in strict.reason
    assert in_words(NO_SHARE) == "which finds nothing"


@pytest.mark.parametrize("margin", [0.0, 0.05])
@pytest.mark.parametrize(
    "found",
    [shown(-0.2, 0.3), shown(-0.0571, 0.1), shown(-1.0, 0.5), shown(0.0, 0.0), HARDLY_BETTER],
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
    found = metrics(shown(0.1, 0.2), coverage=own, champion_coverage=others)
    decided = decide(found, LIVE, GateConfig(coverage_margin=margin, guarded_slices=()))
    assert outcome(decided, COVERAGE) is expected
    assert decided.decision == (OPEN if expected is Outcome.PASSED else CLOSED)


FEW, ENOUGH = LEAST_USERS - 1, LEAST_USERS


@pytest.mark.parametrize(
    ("users", "found", "expected"),
    [
        (1000, shown(-0.05, 0.05), Outcome.PASSED),
        (1000, shown(-0.1, -0.02), Outcome.PASSED),  # worse, surely within the margin
        (1000, shown(-0.15, -0.03), Outcome.UNCLEAR),  # worse by 9 %, which may be 15 %
        (1000, shown(-0.15, -0.06), Outcome.FAILED),  # worse, by more than is allowed
        (1000, shown(-0.5, -0.01), Outcome.FAILED),  # not known well, but worse
        (1000, shown(-0.4, 0.4), Outcome.UNCLEAR),
        (1000, HARDLY_WORSE, Outcome.UNCLEAR),
        (1000, shown(-0.4, 0.0), Outcome.UNCLEAR),  # may be as good
        (ENOUGH, shown(-0.05, 0.05), Outcome.PASSED),
        (ENOUGH, shown(-0.9, -0.1), Outcome.FAILED),
        (FEW, shown(-0.05, 0.05), Outcome.UNCLEAR),  # so few show nothing, either way
        (FEW, shown(-0.9, -0.1), Outcome.UNCLEAR),
        (ENOUGH, NO_SHARE, Outcome.PASSED),  # nothing can be lost
        (1000, None, Outcome.UNCLEAR),  # the champion isn't asked
    ],
)
def test_a_guarded_slice_closes_the_gate_only_if_it_tells(
    users: int, found: Change | None, expected: Outcome
) -> None:
    measured = metrics(shown(0.1, 0.2), slices={"history: cold": part(users, found)})
    decided = decide(measured, LIVE, guarded("history: cold"))
    assert outcome(decided, "history: cold") is expected
    assert decided.decision == (CLOSED if expected is Outcome.FAILED else OPEN)


@pytest.mark.parametrize(
    ("users", "found", "expected"),
    [
        (1000, shown(-0.05, 0.05), Outcome.PASSED),
        (1000, shown(-0.1, -0.02), Outcome.PASSED),
        (1000, shown(-0.101, 0.3), Outcome.FAILED),
        (1000, shown(-0.4, 0.4), Outcome.FAILED),
        (1000, shown(-0.15, -0.03), Outcome.FAILED),
        (1000, HARDLY_WORSE, Outcome.FAILED),
        (ENOUGH, shown(-0.05, 0.05), Outcome.PASSED),
        (FEW, shown(-0.05, 0.05), Outcome.FAILED),  # so few show nothing
        (ENOUGH, NO_SHARE, Outcome.PASSED),
    ],
)
def test_a_slice_with_a_margin_of_its_own_has_to_show_it(
    users: int, found: Change, expected: Outcome
) -> None:
    measured = metrics(shown(0.1, 0.2), slices={"history: cold": part(users, found)})
    decided = decide(measured, LIVE, guarded("history: cold=0.1", margin=0.9))
    assert outcome(decided, "history: cold") is expected
    assert decided.decision == (CLOSED if expected is Outcome.FAILED else OPEN)


@pytest.mark.parametrize(
    ("found", "own", "without"),
    [
        (shown(0.01, 0.02), Outcome.PASSED, Outcome.PASSED),
        (HARDLY_BETTER, Outcome.FAILED, Outcome.UNCLEAR),
        (EQUAL, Outcome.FAILED, Outcome.UNCLEAR),
        (NO_SHARE, Outcome.FAILED, Outcome.UNCLEAR),
        (HARDLY_WORSE, Outcome.FAILED, Outcome.UNCLEAR),
        (shown(-0.02, -0.01), Outcome.FAILED, Outcome.FAILED),
    ],
)
def test_a_margin_of_zero_asks_a_slice_to_be_better(
    found: Change, own: Outcome, without: Outcome
) -> None:
    """By a margin of its own it must be; by that of all slices it must not be worse."""
    measured = metrics(shown(0.1, 0.2), slices={"history: cold": part(1000, found)})
    assert outcome(decide(measured, LIVE, guarded("history: cold=0")), "history: cold") is own
    of_all = decide(measured, LIVE, guarded("history: cold", margin=0.0))
    assert outcome(of_all, "history: cold") is without


def test_what_is_unclear_for_lack_of_users_says_so() -> None:
    slices = {"history: cold": part(1000, shown(-0.4, 0.2))}
    decided = decide(metrics(shown(0.1, 0.2), slices=slices), LIVE, guarded("history: cold"))
    assert detail(decided, "history: cold") == (
        "0.1800 against 0.2000 for 1,000 users, -10.0% (95 %: -40.0% to +20.0%), at most 10% may "
        "be lost; too few users to tell"
    )


@pytest.mark.parametrize("guard", ["history: cold", "history: cold=0.1"])
@pytest.mark.parametrize("found", [EQUAL, shown(-0.9, -0.1)])
def test_so_few_users_that_nothing_is_told_are_told(guard: str, found: Change) -> None:
    slices = {"history: cold": part(FEW, found)}
    decided = decide(metrics(shown(0.1, 0.2), slices=slices), LIVE, guarded(guard))
    assert detail(decided, "history: cold").endswith(
        "at most 10% may be lost; fewer than 30 users tell nothing"
    )


def test_what_is_shown_needs_no_more_users() -> None:
    for found in (EQUAL, shown(-0.3, -0.2)):
        slices = {"history: cold": part(ENOUGH, found)}
        decided = decide(metrics(shown(0.1, 0.2), slices=slices), LIVE, guarded("history: cold"))
        assert detail(decided, "history: cold").endswith("at most 10% may be lost")


SLICES = {
    "history: cold": part(1000, shown(-0.3, -0.2)),
    "history: long": part(1000, shown(-0.03, -0.01)),
    "popularity: new": part(1000, shown(0.1, 0.2)),
    "country: NL=x": part(1000, shown(-0.3, -0.2)),
    "country: [DE]": part(1000, shown(-0.3, -0.2)),
    "country: D": part(1000, EQUAL),
    "as if new: last 1": part(1000, None),
}


def closed_by(*guards: str, margin: float = 0.1) -> list[str]:
    decided = decide(metrics(shown(0.1, 0.2), slices=SLICES), LIVE, guarded(*guards, margin=margin))
    failed = [check.name for check in decided.checks if check.outcome is Outcome.FAILED]
    assert decided.decision == (CLOSED if failed else OPEN)
    return failed


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        ([], []),
        (["history: cold"], ["history: cold"]),
        (["history: cold=0.5"], []),
        (["history: long"], []),
        (["history: long=0.02"], ["history: long"]),
        (["history: *"], ["history: cold"]),
        (["history: *=0.02"], ["history: cold", "history: long"]),
        (["his*"], ["history: cold"]),
        (["*=0.02"], ["history: cold", "history: long", "country: NL=x", "country: [DE]"]),
        (["country: NL=x"], ["country: NL=x"]),  # the = belongs to the name
        (["country: NL=x=0.5"], []),
        (["popularity: new", "history: ????"], ["history: cold"]),
        (["country: [DE]"], ["country: [DE]"]),  # as it is written, though it is a pattern too
        (["country: D"], []),
        (["country: *=0.5"], []),
        (["History: cold"], None),  # as it is written
        (["history: few_shot"], None),
        (["history: cold "], None),
        (["history: few-shot"], []),  # which is not in this test
        (["history: f*"], []),
        (["country: FR"], []),  # nor is this, which can't be known
        (["as if new: last 1"], None),  # which the champion is never asked
        (["as if new: *"], None),
    ],
)
def test_slices_are_named_by_pattern_and_may_have_their_own_margin(
    guards: list[str], expected: list[str] | None
) -> None:
    if expected is None:
        with pytest.raises(InputError):
            closed_by(*guards)
    else:
        assert closed_by(*guards) == expected


def test_a_guard_that_finds_nothing_in_this_test_is_said_and_closes_nothing() -> None:
    guards = ("history: cold", "popularity: t*", "country: FR", "history: long=0.05")
    found = metrics(EQUAL, slices={"country: NL": part(1000, EQUAL)})
    decided = decide(found, LIVE, guarded(*guards))
    assert decided.decision == OPEN
    for name in (*guards[:3], "history: long"):
        assert outcome(decided, name) is Outcome.UNCLEAR
        assert detail(decided, name) == "nothing of it in this test"


@pytest.mark.parametrize("live", [None, LIVE])
@pytest.mark.parametrize("guard", ["histroy: cold", "brand: x", "cold", "", "history: few_shot"])
def test_a_slice_of_a_kind_that_there_is_not_is_refused(guard: str, live: str | None) -> None:
    slices = {"country: NL": part(1000, EQUAL), "as if new: last 1": part(1000, None)}
    expected = (
        "country: NL, history: cold, history: few-shot, history: long, history: medium, "
        "pause: longer, pause: up to a day, pause: up to a month, pause: up to a week, "
        "popularity: head, popularity: new, popularity: tail, popularity: torso, "
        "text: long, text: medium, text: none, text: short"
    )
    with pytest.raises(InputError, match=re.escape(f"one of {expected}, found '{guard}'")):
        decide(metrics(EQUAL, slices=slices), live, guarded(guard))


def test_before_there_is_a_champion_columns_can_be_guarded_too() -> None:
    """The first of all releases, by the settings of those that follow."""
    first = metrics(slices={"country: NL": part(1000, None)})
    assert decide(first, None, guarded("country: NL", "country: FR=0.05")).decision == OPEN


def test_nor_does_it_matter_if_the_champion_was_not_measured() -> None:
    decided = decide(metrics(slices={"country: NL": part(9, None)}), LIVE, guarded("country: NL"))
    assert decided.reason == "champion: r-live is live, but none was measured; run again"


@pytest.mark.parametrize("own", ["1", "-0.1", "nan", "5"])
def test_a_margin_of_its_own_is_a_share(own: str) -> None:
    with pytest.raises(InputError, match=rf"a margin from 0 to below 1, found {own}"):
        decide(metrics(EQUAL), LIVE, guarded(f"history: cold={own}"))


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
    better = shown(0.1, 0.2) if live else None
    decided = decide(metrics(better, health=health), live, UNGUARDED)
    assert decided.decision == CLOSED
    assert outcome(decided, "vectors") is Outcome.FAILED
    assert said in decided.reason


@pytest.mark.parametrize("live", [None, LIVE])
def test_figures_of_drawn_items_close_the_gate(live: str | None) -> None:
    found = metrics(shown(0.1, 0.2) if live else None, full_ranking=False)
    decided = decide(found, live, UNGUARDED)
    assert decided.decision == CLOSED
    assert decided.reason.startswith("protocol: only drawn items were ranked")


def test_a_champion_that_changed_meanwhile_closes_the_gate() -> None:
    decided = decide(metrics(shown(0.1, 0.2), release="r-old"), LIVE, UNGUARDED)
    assert decided.decision == CLOSED
    assert decided.reason == "champion: r-live is live, but r-old was measured; run again"
    assert outcome(decided, "ndcg@10") is Outcome.PASSED


def test_a_champion_that_was_not_measured_closes_the_gate() -> None:
    decided = decide(metrics(), LIVE, UNGUARDED)
    assert (decided.decision, decided.champion) == (CLOSED, None)
    assert decided.reason == "champion: r-live is live, but none was measured; run again"


def test_a_champion_that_is_live_no_more_is_none() -> None:
    """Measured, then taken down."""
    decided = decide(metrics(shown(0.1, 0.2)), None, UNGUARDED)
    assert (decided.decision, decided.champion, decided.champion_release) == (OPEN, None, None)


def test_a_champion_that_may_know_the_test_closes_the_gate() -> None:
    found = metrics(shown(0.1, 0.2), not_comparable="it was trained with other settings")
    decided = decide(found, LIVE, UNGUARDED)
    assert decided.decision == CLOSED
    assert outcome(decided, "comparable") is Outcome.FAILED
    assert decided.reason.endswith("on what is tested: it was trained with other settings")


def everything_wrong() -> EvaluationMetrics:
    return metrics(
        shown(-0.3, -0.2),
        slices={"history: cold": part(100, shown(-0.9, -0.5))},
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
    found = decide(metrics(shown(0.1, 0.2)), LIVE, UNGUARDED, "to be sure")
    assert (found.decision, found.forced) == (OPEN, "to be sure")
    assert found.reason == "forced: to be sure"
    first = decide(metrics(), None, UNGUARDED, "to be sure")
    assert (first.decision, first.forced) == (OPEN, "to be sure")


def test_even_forced_a_guard_that_means_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="guarded_slices"):
        decide(metrics(), None, guarded("nonsense: x"), "why not")


def test_a_decision_is_read_back_as_written() -> None:
    decided = decide(everything_wrong(), LIVE, guarded("history: cold"))
    assert Decision.model_validate_json(decided.model_dump_json()) == decided
