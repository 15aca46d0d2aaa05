"""A schedule in place of another while requests fail: never none, and it is told which is on."""

from typing import Any

import kfp_server_api as api
import pytest

from tests.cluster.conftest import PARAMS, Cli, failed, passed
from tests.cluster.kfp_server import Fault, KfpServer

SCHEDULE = ("schedule", "--pipeline", "retrain", *PARAMS, "--cron")
NIGHTLY, LATER = "0 0 3 * * *", "0 0 4 * * *"
OLD, NEW = "recurring-4", "recurring-5"  # the second old one is made by hand, as recurring-old
STATUS = "GET .*/recurringruns/"


def first(cli: Cli, kfp: KfpServer, *, second: bool = False) -> None:
    """A schedule that is on; two of its name, where a replacement was broken off before."""
    passed(cli("upload", "--pipeline", "retrain", "--version", "v1"))
    passed(cli(*SCHEDULE, NIGHTLY))
    if second:
        one = kfp.recurring_runs[OLD]
        copy = api.V2beta1RecurringRun(
            **{name: getattr(one, name) for name in one.openapi_types}
            | {"recurring_run_id": "recurring-old", "description": "another"}
        )
        kfp.recurring_runs["recurring-old"] = copy


def statuses(kfp: KfpServer) -> dict[str, str]:
    """What is enabled, by id."""
    return {key: one.status for key, one in kfp.recurring_runs.items()}


def disables(kfp: KfpServer, recurring_run: str) -> int:
    """How often it was asked to end."""
    return sum(one.path.endswith(f"{recurring_run}:disable") for one in kfp.received)


def test_the_old_schedule_stays_if_there_is_no_new_one(cli: Cli, kfp: KfpServer) -> None:
    first(cli, kfp)
    kfp.faults = [Fault("POST .*/recurringruns$", 500)]
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert "could not create schedule retrain (500" in told
    assert statuses(kfp) == {OLD: "ENABLED"}


def test_a_schedule_that_was_made_without_an_answer_is_found_again(
    cli: Cli, kfp: KfpServer
) -> None:
    first(cli, kfp)
    kfp.faults = [Fault("POST .*/recurringruns$", "break", done=True)]
    assert "look with `towerflow schedules`" in failed(cli(*SCHEDULE, LATER), 1)
    kfp.faults = []
    assert "is there already" in passed(cli(*SCHEDULE, LATER))
    assert statuses(kfp) == {OLD: "DISABLED", NEW: "ENABLED"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("what", "times", "second"),
    [
        ("hang", None, False),
        ("hang", 1, True),
        (503, None, True),
        (503, 1, False),
        ("break", None, True),
        ("page", None, False),
        (403, None, False),
    ],
)
def test_an_old_one_that_was_ended_without_an_answer_is_ended(
    cli: Cli, kfp: KfpServer, what: Any, times: int | None, second: bool
) -> None:
    first(cli, kfp, second=second)
    kfp.faults = [Fault(f"POST .*{OLD}:disable", what, times, done=True)]
    told = passed(cli(*SCHEDULE, LATER))
    assert f"disabled the old one: {OLD}" in told
    after = statuses(kfp)
    assert after.pop(NEW) == "ENABLED"
    assert set(after.values()) == {"DISABLED"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", ["hang", 429, 503])
def test_what_passes_is_tried_again(cli: Cli, kfp: KfpServer, what: Any) -> None:
    first(cli, kfp)
    kfp.faults = [Fault("POST .*:disable", what, times=2)]
    passed(cli(*SCHEDULE, LATER))
    assert statuses(kfp) == {OLD: "DISABLED", NEW: "ENABLED"}
    assert disables(kfp, OLD) == 3


@pytest.mark.parametrize(("what", "tries"), [(503, 3), (403, 1)])
def test_the_new_one_goes_if_the_old_one_cannot(
    cli: Cli, kfp: KfpServer, what: int, tries: int
) -> None:
    first(cli, kfp)
    kfp.faults = [Fault(f"POST .*{OLD}:disable", what)]
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert f"the old one ({OLD}) could not be disabled" in told
    ending = f"now on: the old one ({OLD}), off: the new one ({NEW}); schedule again."
    assert told.endswith(ending)
    assert statuses(kfp) == {OLD: "ENABLED", NEW: "DISABLED"}
    assert disables(kfp, OLD) == tries


def test_of_two_old_ones_the_second_cannot_be_ended(cli: Cli, kfp: KfpServer) -> None:
    first(cli, kfp, second=True)
    kfp.faults = [Fault("POST .*recurring-old:disable", 500)]
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert "the old one (recurring-old) could not be disabled" in told
    ending = "now on: the old one (recurring-old), off: the old one (recurring-4) and the new one"
    assert ending in told
    assert statuses(kfp) == {OLD: "DISABLED", "recurring-old": "ENABLED", NEW: "DISABLED"}


def test_the_new_one_stays_if_nobody_says_what_became_of_the_old_one(
    cli: Cli, kfp: KfpServer
) -> None:
    """It was ended, and neither the answer nor its status comes through."""
    first(cli, kfp)
    kfp.faults = [Fault(f"POST .*{OLD}:disable", 503, done=True), Fault(STATUS + OLD, 503)]
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert f"now on: the new one ({NEW}), on or off, not known: the old one ({OLD})" in told
    assert "end them with `towerflow schedules --disable retrain`, then schedule again" in told
    assert statuses(kfp) == {OLD: "DISABLED", NEW: "ENABLED"}


@pytest.mark.usefixtures("impatient")
def test_the_new_one_that_went_without_an_answer_is_told_as_off(cli: Cli, kfp: KfpServer) -> None:
    first(cli, kfp)
    kfp.faults = [
        Fault(f"POST .*{OLD}:disable", 500),
        Fault(f"POST .*{NEW}:disable", "hang", done=True),
    ]
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert f"now on: the old one ({OLD}), off: the new one ({NEW}); schedule again" in told
    assert statuses(kfp) == {OLD: "ENABLED", NEW: "DISABLED"}


def test_both_are_named_if_neither_can_go(cli: Cli, kfp: KfpServer) -> None:
    first(cli, kfp)
    kfp.faults = [Fault("POST .*:disable", 503)]
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert f"now on: the old one ({OLD}) and the new one ({NEW}); end them with" in told
    assert set(statuses(kfp).values()) == {"ENABLED"}
    kfp.faults = []
    passed(cli("schedules", "--disable", "retrain"))
    assert set(statuses(kfp).values()) == {"DISABLED"}


def test_an_equal_one_is_not_taken_back(cli: Cli, kfp: KfpServer) -> None:
    first(cli, kfp, second=True)
    kfp.faults = [Fault("POST .*recurring-old:disable", 500)]
    told = failed(cli(*SCHEDULE, NIGHTLY), 1)
    assert f"now on: the old one (recurring-old) and the new one ({OLD})" in told
    assert set(statuses(kfp).values()) == {"ENABLED"}


def test_stopping_tells_when_it_is_not_known(cli: Cli, kfp: KfpServer) -> None:
    first(cli, kfp)
    kfp.faults = [Fault("POST .*:disable", 503), Fault(STATUS, 503)]
    told = failed(cli("schedules", "--disable", "retrain"), 1)
    assert "look with `towerflow schedules` before you repeat it" in told
    kfp.faults = [Fault("POST .*:disable", 503, done=True)]
    assert f"disabled {OLD}" in passed(cli("schedules", "--disable", "retrain"))


def test_schedules_beyond_a_thousand_are_not_overlooked(cli: Cli, kfp: KfpServer) -> None:
    """One of them might be the one to replace."""
    first(cli, kfp)
    one = kfp.recurring_runs[OLD]
    kfp.recurring_runs |= {f"other-{number}": one for number in range(999)}
    passed(cli("schedules"))
    kfp.recurring_runs["one-more"] = one
    told = failed(cli(*SCHEDULE, LATER), 1)
    assert "there are more than 1,000 entries when asked to list schedules" in told
    assert len(kfp.recurring_runs) == 1001
