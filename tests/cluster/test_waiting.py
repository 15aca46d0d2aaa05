"""`towerflow submit --wait`: what it tells, what it outlives, and when it ends."""

from dataclasses import dataclass
from unittest.mock import Mock

import kfp_server_api as api
import pytest

from pipelines import server as asked
from pipelines.server_api import Refused
from tests.cluster.conftest import PARAMS, Cli, failed, passed, state
from tests.cluster.kfp_server import Fault, KfpServer

SUBMIT = ("submit", "--pipeline", "retrain", *PARAMS)


def test_wait_tells_changes_and_success(cli: Cli, kfp: KfpServer) -> None:
    kfp.script = [state("RUNNING", "train"), state("SUCCEEDED", "train")]
    lines = passed(cli(*SUBMIT, "--wait")).splitlines()
    assert lines[0].startswith("run run-2: http")
    assert "  task train: running" in lines
    assert lines[-1] == "  run: succeeded"


def test_wait_names_the_task_that_failed(cli: Cli, kfp: KfpServer) -> None:
    kfp.script = [state("FAILED", "train", "OOMKilled\nmore")]
    told = failed(cli(*SUBMIT, "--wait"), 1)
    assert told == "error: run run-2 failed: train: OOMKilled"


def test_wait_outlives_a_server_that_is_away(cli: Cli, kfp: KfpServer) -> None:
    kfp.script = [state("SUCCEEDED", "train")]
    kfp.faults = [Fault("GET .*/runs/run-", 503, times=5)]
    assert "run: succeeded" in passed(cli(*SUBMIT, "--wait"))


def test_wait_ends_in_time(cli: Cli, kfp: KfpServer) -> None:
    told = failed(cli(*SUBMIT, "--wait", "--timeout", "1"), 1)
    assert told == "error: run run-2 is pending after --timeout, and goes on"


@dataclass
class Clock:
    """Time that passes by sleeping alone."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asked, "time", clock)
    return clock


@pytest.mark.parametrize("seconds", [1, 20, 100])
def test_a_wait_takes_no_longer_than_its_timeout(clock: Clock, seconds: int) -> None:
    began = clock.now
    server = Mock()
    server.ask.return_value = api.V2beta1Run(run_id="1", state="RUNNING")
    assert asked.waited(server, "1", seconds) == {"run_id": "1", "state": "RUNNING", "failed": []}
    assert clock.now - began == seconds


def test_patience_ends(clock: Clock) -> None:
    began = clock.now
    server = Mock()
    server.ask.side_effect = Refused("no answer", passing=True)
    with pytest.raises(Refused, match="no answer"):
        asked.waited(server, "1", None)
    assert 300 < clock.now - began < 320
