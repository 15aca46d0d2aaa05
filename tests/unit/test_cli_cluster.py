"""What the commands of a cluster say, without one; tests/cluster has them with a server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from towerflow.cli import app
from towerflow.cli_cluster import _duration, _failures, _next_of, _tell_end
from towerflow.cluster.asking import ServerFailed
from towerflow.errors import InputError


@pytest.mark.parametrize("state", ["SUCCEEDED", "SKIPPED"])
def test_a_good_end_says_nothing(state: str) -> None:
    _tell_end({"run_id": "1", "state": state, "failed": []})


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"state": "FAILED", "failed": [{"task": "train", "error": " OOM\nmore"}]},
            "run 1 failed: train: OOM",
        ),
        (
            {"state": "FAILED", "failed": [{"task": "", "error": "quota"}]},
            "run 1 failed: the run: quota",
        ),
        ({"state": "CANCELED", "failed": []}, "run 1 canceled: the server does not say why"),
        ({"state": "RUNNING", "failed": []}, "run 1 is running after --timeout, and goes on"),
    ],
)
def test_a_bad_end_is_told(answer: dict[str, Any], told: str) -> None:
    with pytest.raises(ServerFailed) as caught:
        _tell_end({"run_id": "1", **answer})
    assert str(caught.value) == told


def test_a_task_without_a_message() -> None:
    assert _failures([{"task": "train", "error": ""}]) == ["train: no message"]


AROUND_65_SECONDS = [f"1:{second:02}" for second in range(5, 60)]  # on a busy machine


def test_how_long_a_run_took() -> None:
    began = datetime.now(UTC) - timedelta(seconds=65)
    whole = {"created": "2026-01-01T01:00:00+01:00", "finished": "2026-01-01T00:02:05+00:00"}
    assert _duration(whole) == ("2026-01-01 00:00", "2:05")
    # The API writes 1970 for what has not ended.
    going_on = {"created": began.isoformat(), "finished": "1970-01-01T00:00:00+00:00"}
    assert _duration(going_on)[1] in AROUND_65_SECONDS
    assert _duration({**going_on, "finished": None})[1] in AROUND_65_SECONDS
    assert _duration({"created": None, "finished": None}) == ("", "")


COMMANDS = [
    ["upload"],
    ["submit", "--pipeline", "retrain"],
    ["schedule", "--pipeline", "retrain", "--cron", "@daily"],
    ["schedules"],
    ["runs"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_each_command_takes_its_environment_from_the_variable(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without a server is the first thing that each refuses."""
    (tmp_path / "mine.yaml").write_text("description: x\n")
    monkeypatch.setenv("TOWERFLOW_ENVIRONMENT", str(tmp_path / "mine.yaml"))
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, InputError), done.output
    assert str(done.exception).startswith(f"{tmp_path}/mine.yaml: server: expected where")
    missing = "--env: expected an environment, here or in TOWERFLOW_ENVIRONMENT, found none."
    monkeypatch.setenv("TOWERFLOW_ENVIRONMENT", "")
    assert str(CliRunner().invoke(app, command).exception) == missing
    monkeypatch.delenv("TOWERFLOW_ENVIRONMENT")
    assert str(CliRunner().invoke(app, command).exception) == missing


def test_a_cron_of_the_ui_that_we_do_not_read() -> None:
    assert _next_of("@every 1h") == ""
    assert _next_of("0 0 3 * * *").endswith("03:00:00")
