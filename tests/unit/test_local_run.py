"""The account of a run: what matters is told, what failed is named."""

import io
import os
import sys
from pathlib import Path

import pytest

from towerflow.errors import InputError, RunFailed, StorageError
from towerflow.local_run import Account, _run_compiled

START = "\x1b[2m04:11:34.258 - INFO - Executing task \x1b[96m'embed-items'\x1b[0m\n"
END = "04:11:36.258 - INFO - Task \x1b[96m'embed-items'\x1b[0m finished with status SUCCESS\n"
NOISE = '    [KFP Executor 2026-11-21 04:11:34,250 INFO]: Got executor_input:\n    {\n    "x": 1\n'


def follow(text: str) -> tuple[Account, list[str], str]:
    """The account of some output, what it announced, and the log."""
    told: list[str] = []
    log = io.StringIO()
    account = Account(told.append)
    account.follow(io.StringIO(text), log)
    return account, told, log.getvalue()


def test_tasks_and_their_own_lines_are_told_and_the_rest_is_logged() -> None:
    _, told, log = follow(START + NOISE + "    towerflow: 3 texts embedded\n" + END)
    assert told == [
        "  embed_items …",
        "    3 texts embedded",
        "  embed_items: success in 0:00",
    ]
    assert "Got executor_input" in log
    assert "\x1b" not in log


def test_tasks_of_a_loop_go_by_the_name_of_their_step() -> None:
    _, told, _ = follow(START.replace("embed-items", "embed-items-2"))
    assert told == ["  embed_items …"]


def test_cached_and_skipped_tasks_are_told() -> None:
    _, told, _ = follow(
        "Task train cache hit (key=a595f79c6130); skipping execution.\n"
        "04:11:34.258 - INFO - Skipping conditional task 'condition-2' (condition is false)\n"
    )
    assert told == ["  train: unchanged, from the cache", "  condition: skipped"]


def test_a_mistake_of_the_users_is_told_in_its_own_words() -> None:
    account, told, log = follow(
        START + "    Traceback (most recent call last):\n      File …\n"
        "    towerflow.errors.InputError: x.csv: expected rows, found none.\n"
    )
    assert told == ["  embed_items …"]
    with pytest.raises(InputError, match=r"^x\.csv: expected rows, found none\.$"):
        account.raise_failure(log_path=Path("run.log"))
    assert "Traceback" in log


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("towerflow.errors.StorageError", StorageError),
        ("towerflow.retrieval.releases.Overtaken", InputError),
    ],
)
def test_so_is_what_a_store_or_another_publisher_did(error: str, kind: type[Exception]) -> None:
    account, _, _ = follow(START + f"    {error}: gs://b/x: could not read it, given up.\n")
    with pytest.raises(kind, match=r"^gs://b/x: could not read it, given up\.$"):
        account.raise_failure(log_path=Path("run.log"))


def test_any_other_failure_names_the_task_and_shows_the_end_of_the_log() -> None:
    account, _, _ = follow(START + "".join(f"line {number}\n" for number in range(40)))
    with pytest.raises(
        RunFailed, match=r"^task embed_items failed, after these last lines:\n  line 25\n"
    ) as caught:
        account.raise_failure(log_path=Path("run.log"))
    assert str(caught.value).endswith("  line 39\nthe whole log is run.log")


def test_of_tasks_side_by_side_the_one_that_failed_is_named_with_what_it_said() -> None:
    failure = END.replace("SUCCESS", "FAILURE")
    account, _, _ = follow(
        START + START.replace("embed-items", "train") + "the shard is broken\n" + failure + "more\n"
    )
    with pytest.raises(RunFailed) as caught:
        account.raise_failure(log_path=Path("run.log"))
    assert str(caught.value).startswith("task embed_items failed")
    assert "the shard is broken" in str(caught.value)
    assert "more" not in str(caught.value)


@pytest.mark.parametrize(
    ("script", "error", "told"),
    [
        ("print('error: x: expected a, found b.'); exit(2)", InputError, "x: expected a, found b."),
        ("print('broken'); exit(1)", RunFailed, "before its first task the run failed, after"),
    ],
)
def test_the_end_of_the_process_is_told(
    tmp_path: Path, script: str, error: type[Exception], told: str
) -> None:
    log = tmp_path / "run.log"
    with pytest.raises(error) as caught:
        _run_compiled([sys.executable, "-c", script], os.environ, log, print)
    assert str(caught.value).startswith(told)
    assert log.read_text()
