"""Processes of this machine that work as one: who starts them, and what becomes of their errors."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
import torch
import torch.distributed as dist

from towerflow.errors import InputError, StorageError
from towerflow.recipes import load_recipe, recipe_names
from towerflow.training import launch
from towerflow.training.launch import (
    TrainingProcessFailed,
    in_processes,
    num_processes,
)
from towerflow.training.ranks import Ranks

NUM_PROCESSES: Final = 2
HANDLED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As this process sees the machine; none is ever used."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def sum_of_ranks(folder: Path, start: int) -> None:
    """Only processes that form a group know the sum."""
    ranks = Ranks.current()
    total = torch.tensor(float(start + ranks.rank))
    if ranks.num_ranks > 1:
        dist.all_reduce(total)
    told = f"{ranks.num_ranks} {total.item():g} {os.getpid() == os.getppid()}"
    (folder / f"{ranks.rank}").write_text(told)


def fail(folder: Path, kind: str) -> None:
    """The second process fails while the first waits for it."""
    if Ranks.current().rank == 1:
        match kind:
            case "InputError":
                raise InputError("recipe", expected="a: b", found="c")
            case "StorageError":
                raise StorageError("gs://a/b", operation="read", fault="503: gone")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "ended":
                os._exit(3)
            case _:
                raise ZeroDivisionError("somewhere")
    dist.barrier()
    (folder / "went on").touch()


def work_long(folder: Path) -> None:
    (folder / f"{Ranks.current().rank}").write_text(str(os.getpid()))
    time.sleep(600)


def told_in(folder: Path) -> list[str]:
    return [file.read_text() for file in sorted(folder.iterdir())]


def test_processes_form_a_group(tmp_path: Path) -> None:
    in_processes(NUM_PROCESSES, sum_of_ranks, tmp_path, 5)
    assert told_in(tmp_path) == [f"2 {5 + 6} False"] * 2


@pytest.mark.parametrize("kind", [InputError, StorageError])
def test_what_a_process_tells_in_a_sentence_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    with pytest.raises(kind) as raised:
        in_processes(NUM_PROCESSES, fail, tmp_path, kind.__name__)
    assert str(raised.value) in (
        "recipe: expected a: b, found c.",
        "gs://a/b: could not read it, given up at the first try: 503: gone.",
    )
    assert not (tmp_path / "went on").exists()
    assert "Traceback" not in capfd.readouterr().err


def test_a_crash_shows_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(TrainingProcessFailed, match="a training process failed") as raised:
        in_processes(NUM_PROCESSES, fail, tmp_path, "crash")
    lines = str(raised.value).splitlines()
    assert lines[-1] == "ZeroDivisionError: somewhere"
    assert any(__file__ in line and "in fail" in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("killed", "training process 1 ended by SIGKILL; what it said is above"),
        ("ended", "training process 1 ended with code 3; what it said is above"),
    ],
)
def test_a_process_that_could_not_tell_is_named(tmp_path: Path, kind: str, told: str) -> None:
    with pytest.raises(TrainingProcessFailed) as raised:
        in_processes(NUM_PROCESSES, fail, tmp_path, kind)
    assert str(raised.value) == told


def test_a_mistake_is_told_rather_than_what_others_say_when_they_lose_that_process(
    tmp_path: Path,
) -> None:
    """Whichever of them the launcher found first."""
    told = ["RuntimeError: connection closed", "StorageError: s.", "InputError: i."]
    for number, message in enumerate(told):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "error.json").write_text(
            f'{{"message": {{"message": "{message}", "extraInfo": {{"py_callstack": "at"}}}}}}'
        )
    nobody = SimpleNamespace(get_first_failure=lambda: (0, SimpleNamespace(exitcode=-9)))
    found = launch._as_it_was(nobody, tmp_path)
    assert (type(found), str(found)) == (InputError, "i.")
    (tmp_path / "2" / "error.json").unlink()
    found = launch._as_it_was(nobody, tmp_path)
    assert (type(found), str(found)) == (StorageError, "s.")


def test_signals_and_processes_outside_are_as_before(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in HANDLED]
    with pytest.raises(InputError):
        in_processes(NUM_PROCESSES, fail, tmp_path, "InputError")
    assert [signal.getsignal(number) for number in HANDLED] == before
    assert not dist.is_initialized()
    assert not dist.is_torchelastic_launched()


def test_it_works_from_a_thread(tmp_path: Path) -> None:
    thread = threading.Thread(target=in_processes, args=(NUM_PROCESSES, sum_of_ranks, tmp_path, 0))
    thread.start()
    thread.join()
    assert told_in(tmp_path) == ["2 1 False"] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them_and_does_what_it_always_does(
    tmp_path: Path, number: signal.Signals
) -> None:
    code = (
        "import pathlib, signal, sys\n"
        "from tests.unit.training.test_launch import in_processes, work_long\n"
        # Jobs in a shell's background ignore it, and so would what they start.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "if __name__ == '__main__':\n"
        "    in_processes(2, work_long, pathlib.Path(sys.argv[1]))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    (tmp_path / "told").mkdir()
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "told")],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 600
        while len(told_in(tmp_path / "told")) < NUM_PROCESSES or not all(
            told_in(tmp_path / "told")
        ):
            assert time.monotonic() < deadline, "they never began"
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert process.returncode == -number
    assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)
    for pid in told_in(tmp_path / "told"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize("name", recipe_names())
def test_sequence_models_are_shared_by_all_gpus_and_nothing_else_is(name: str) -> None:
    recipe = load_recipe(name)
    kind = recipe.model.kind
    is_trained_in_sequences = kind in ("learn", "sasrec", "blend") and recipe.num_epochs > 0
    assert num_processes(recipe) == (4 if is_trained_in_sequences else 1)
    assert recipe.can_be_shared == (kind in ("learn", "sasrec", "blend"))


@pytest.mark.usefixtures("four_gpus")
def test_what_needs_no_training_needs_no_processes() -> None:
    assert num_processes(load_recipe("learn-zero-shot")) == 1


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_machine_with_one_gpu_or_none_has_one_process(
    monkeypatch: pytest.MonkeyPatch, gpus: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert num_processes(load_recipe("learn")) == 1


@pytest.mark.usefixtures("four_gpus")
def test_in_a_group_that_was_started_before_nobody_starts_another(tmp_path: Path) -> None:
    recipe = load_recipe("learn")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        assert num_processes(recipe) == 1
    finally:
        dist.destroy_process_group()
