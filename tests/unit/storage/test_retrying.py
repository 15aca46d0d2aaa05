"""Trying again: until it works, until the deadline, and not at all for what won't pass."""

import multiprocessing
import re
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from towerflow.errors import StorageError
from towerflow.storage.retrying import RetryPolicy, Transient

QUICK = RetryPolicy(deadline=0.2, first_delay=0.01, longest_delay=0.02)
PATIENT = RetryPolicy(deadline=60, first_delay=0.01, longest_delay=0.02)
BUSY_MACHINE = 10  # seconds that a process may be kept waiting


class Flaky:
    """Fails so many times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"


def test_what_passes_is_survived() -> None:
    flaky = Flaky(3, Transient("503"))
    assert PATIENT.run("write", "gs://b/x", flaky) == "done"
    assert flaky.calls == 3 + 1


def test_what_does_not_pass_ends_at_the_deadline_in_one_sentence() -> None:
    start = time.monotonic()
    with pytest.raises(StorageError) as caught:
        QUICK.run("write", "gs://b/x", Flaky(10**6, Transient("503 try\nlater.")))
    assert time.monotonic() - start < QUICK.deadline + BUSY_MACHINE
    sentence = str(caught.value)
    assert sentence.startswith("gs://b/x: could not write it, given up after ")
    assert sentence.endswith(": 503 try later.")


def test_other_errors_are_not_tried_again() -> None:
    flaky = Flaky(1, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        QUICK.run("write", "gs://b/x", flaky)
    assert flaky.calls == 1


def test_the_deadline_counts_from_the_first_fault() -> None:
    def slow() -> str:
        time.sleep(2 * QUICK.deadline)
        return flaky()

    flaky = Flaky(1, Transient("the checksum of a large object"))
    assert QUICK.run("read", "gs://b/x", slow) == "done"


def fail() -> None:
    raise StorageError("gs://b/x", operation="read", fault="503", tries=3, seconds=1.26)


def test_the_error_crosses_processes() -> None:
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(StorageError) as caught,
    ):
        pool.submit(fail).result()
    told = str(caught.value)
    assert told == "gs://b/x: could not read it, given up after 3 tries in 1.3 s: 503."


def test_a_long_wait_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    impatient = RetryPolicy(deadline=900, first_delay=0.01, longest_delay=0.02, quiet=0.02)
    assert impatient.run("read", "gs://b/x", Flaky(10, Transient("503"))) == "done"
    told = r"towerflow: gs://b/x: cannot read, 503; trying again for [89]\d\d s more\n"
    assert re.fullmatch(told, capsys.readouterr().out)
    assert PATIENT.run("read", "gs://b/x", Flaky(3, Transient("503"))) == "done"
    assert capsys.readouterr().out == ""
