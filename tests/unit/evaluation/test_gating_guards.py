"""Slices that the gate guards: how they are named, and what a loss in one of them comes to."""

import re

import pytest

from tests.unit.evaluation.decisions import (
    EQUAL,
    HARDLY_BETTER,
    HARDLY_WORSE,
    detail,
    guarded,
    outcome,
)
from tests.unit.evaluation.made_up import LIVE, NO_SHARE, change, metrics, part
from towerflow.errors import InputError
from towerflow.evaluation.gating import (
    CLOSED,
    GUARDED,
    LEAST_USERS,
    OPEN,
    GateConfig,
    Outcome,
    decide,
)
from towerflow.evaluation.resampling import Change

FEW, ENOUGH = LEAST_USERS - 1, LEAST_USERS


def parsed(*guards: str) -> GateConfig:
    """With the usual margins."""
    usual = GateConfig()
    return GateConfig.parse(usual.margin, guards, usual.slice_margin, usual.coverage_margin)


@pytest.mark.parametrize(
    ("users", "found", "expected"),
    [
        (1000, change(-0.05, 0.05), Outcome.PASSED),
        (1000, change(-0.1, -0.02), Outcome.PASSED),  # worse, surely within the margin
        (1000, change(-0.15, -0.03), Outcome.UNCLEAR),  # worse by 9 %, which may be 15 %
        (1000, change(-0.15, -0.06), Outcome.FAILED),  # worse, by more than is allowed
        (1000, change(-0.5, -0.01), Outcome.FAILED),  # not known well, but worse
        (1000, change(-0.4, 0.4), Outcome.UNCLEAR),
        (1000, HARDLY_WORSE, Outcome.UNCLEAR),
        (1000, change(-0.4, 0.0), Outcome.UNCLEAR),  # may be as good
        (ENOUGH, change(-0.05, 0.05), Outcome.PASSED),
        (ENOUGH, change(-0.9, -0.1), Outcome.FAILED),
        (FEW, change(-0.05, 0.05), Outcome.UNCLEAR),  # so few show nothing, either way
        (FEW, change(-0.9, -0.1), Outcome.UNCLEAR),
        (ENOUGH, NO_SHARE, Outcome.PASSED),  # nothing can be lost
        (1000, None, Outcome.UNCLEAR),  # the champion isn't asked
    ],
)
def test_a_guarded_slice_closes_the_gate_only_if_it_tells(
    users: int, found: Change | None, expected: Outcome
) -> None:
    measured = metrics(change(0.1, 0.2), slices={"history: cold": part(users, found)})
    decided = decide(measured, LIVE, guarded("history: cold"))
    assert outcome(decided, "history: cold") is expected
    assert decided.decision == (CLOSED if expected is Outcome.FAILED else OPEN)


@pytest.mark.parametrize(
    ("users", "found", "expected"),
    [
        (1000, change(-0.05, 0.05), Outcome.PASSED),
        (1000, change(-0.1, -0.02), Outcome.PASSED),
        (1000, change(-0.101, 0.3), Outcome.FAILED),
        (1000, change(-0.4, 0.4), Outcome.FAILED),
        (1000, change(-0.15, -0.03), Outcome.FAILED),
        (1000, HARDLY_WORSE, Outcome.FAILED),
        (ENOUGH, change(-0.05, 0.05), Outcome.PASSED),
        (FEW, change(-0.05, 0.05), Outcome.FAILED),  # so few show nothing
        (ENOUGH, NO_SHARE, Outcome.PASSED),
    ],
)
def test_a_slice_with_a_margin_of_its_own_has_to_show_it(
    users: int, found: Change, expected: Outcome
) -> None:
    measured = metrics(change(0.1, 0.2), slices={"history: cold": part(users, found)})
    decided = decide(measured, LIVE, guarded("history: cold=0.1", margin=0.9))
    assert outcome(decided, "history: cold") is expected
    assert decided.decision == (CLOSED if expected is Outcome.FAILED else OPEN)


@pytest.mark.parametrize(
    ("found", "own", "without"),
    [
        (change(0.01, 0.02), Outcome.PASSED, Outcome.PASSED),
        (HARDLY_BETTER, Outcome.FAILED, Outcome.UNCLEAR),
        (EQUAL, Outcome.FAILED, Outcome.UNCLEAR),
        (NO_SHARE, Outcome.FAILED, Outcome.UNCLEAR),
        (HARDLY_WORSE, Outcome.FAILED, Outcome.UNCLEAR),
        (change(-0.02, -0.01), Outcome.FAILED, Outcome.FAILED),
    ],
)
def test_a_margin_of_zero_asks_a_slice_to_be_better(
    found: Change, own: Outcome, without: Outcome
) -> None:
    """By a margin of its own it must be; by that of all slices it must not be worse."""
    measured = metrics(change(0.1, 0.2), slices={"history: cold": part(1000, found)})
    assert outcome(decide(measured, LIVE, guarded("history: cold=0")), "history: cold") is own
    of_all = decide(measured, LIVE, guarded("history: cold", margin=0.0))
    assert outcome(of_all, "history: cold") is without


def test_what_is_unclear_for_lack_of_users_says_so() -> None:
    slices = {"history: cold": part(1000, change(-0.4, 0.2))}
    decided = decide(metrics(change(0.1, 0.2), slices=slices), LIVE, guarded("history: cold"))
    assert detail(decided, "history: cold") == (
        "0.1800 against 0.2000 for 1,000 users, -10.0% (95 %: -40.0% to +20.0%), at most 10% may "
        "be lost; too few users to tell"
    )


@pytest.mark.parametrize("guard", ["history: cold", "history: cold=0.1"])
@pytest.mark.parametrize("found", [EQUAL, change(-0.9, -0.1)])
def test_so_few_users_that_nothing_is_told_are_told(guard: str, found: Change) -> None:
    slices = {"history: cold": part(FEW, found)}
    decided = decide(metrics(change(0.1, 0.2), slices=slices), LIVE, guarded(guard))
    assert detail(decided, "history: cold").endswith(
        "at most 10% may be lost; fewer than 30 users tell nothing"
    )


def test_what_is_shown_needs_no_more_users() -> None:
    for found in (EQUAL, change(-0.3, -0.2)):
        slices = {"history: cold": part(ENOUGH, found)}
        decided = decide(metrics(change(0.1, 0.2), slices=slices), LIVE, guarded("history: cold"))
        assert detail(decided, "history: cold").endswith("at most 10% may be lost")


SLICES = {
    "history: cold": part(1000, change(-0.3, -0.2)),
    "history: long": part(1000, change(-0.03, -0.01)),
    "popularity: new": part(1000, change(0.1, 0.2)),
    "country: NL=x": part(1000, change(-0.3, -0.2)),
    "country: [DE]": part(1000, change(-0.3, -0.2)),
    "country: D": part(1000, EQUAL),
    "as if new: last 1": part(1000, None),
}


def closed_by(*guards: str, margin: float = 0.1) -> list[str]:
    decided = decide(
        metrics(change(0.1, 0.2), slices=SLICES), LIVE, guarded(*guards, margin=margin)
    )
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


def test_even_forced_a_guard_that_means_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="guarded_slices"):
        decide(metrics(), None, guarded("nonsense: x"), "why not")


@pytest.mark.parametrize(
    "guard",
    [
        "history: cold",
        "history: *=0.05",
        "pause: up to a day",
        "text: none=0",
        "*",
        "*: cold",
        "country: NL",  # may be a column
        "country: NL=x",
        "histroy: cold",
        "country",
    ],
)
def test_before_there_are_data_what_may_be_a_column_passes(guard: str) -> None:
    parsed(guard)


@pytest.mark.parametrize(
    ("guard", "sentence"),
    [
        ("history: colt", "expected one of history: cold, history: few-shot, .*'history: colt'"),
        ("history: colt=0.05", "found 'history: colt'"),
        ("popularity: h??d?", "found 'popularity: h"),
        ("text: ", "found 'text: '"),
        ("pause", "found 'pause'"),
        ("as if new: last 1", "found 'as if new: last 1'"),
        ("as if new: *=0.5", "found 'as if new: "),
        ("history: cold=1", "a margin from 0 to below 1, found 1"),
        ("history: cold=-0.1", "a margin from 0 to below 1, found -0.1"),
        ("country: NL=nan", "a margin from 0 to below 1, found nan"),
        ("country: NL=1e3", "a margin from 0 to below 1, found 1e3"),
    ],
)
def test_before_there_are_data_what_is_a_mistake_on_any_is_refused(
    guard: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=f"guarded_slices: .*{sentence}"):
        parsed("history: cold", guard)


def test_nothing_and_the_usual_guards_are_no_mistake() -> None:
    assert parsed(*GUARDED) == GateConfig()
    assert parsed().guarded_slices == ()
