"""Processes on this machine, one a GPU, that train one model: torch's launcher, as a call."""

import json
import logging
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from towerflow.errors import InputError, RunFailed, StorageError
from towerflow.recipes import Recipe

LOOPBACK: Final = "127.0.0.1"

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_ERROR_FILES: Final = "**/error.json"  # one of each process that failed, in the launcher's folder


class TrainingProcessFailed(RunFailed):
    """A process failed, and not by a mistake of the user's."""


def num_processes(recipe: Recipe) -> int:
    """One a GPU of this machine, where they can share the work; else one.

    Where processes have been started already, as by torchrun, each trains as one of them.
    """
    if dist.is_initialized() or not recipe.can_be_shared or not recipe.num_epochs:
        return 1
    return max(1, torch.cuda.device_count())


def in_processes(count: int, work: Callable[..., None], *arguments: object) -> None:
    """Call `work(*arguments)` in so many new processes, which form a group.

    Args:
        count: of processes.
        work: a function that a new process can import.
        arguments: of the function; they are copied to each process.

    Raises:
        InputError: as one of them raised it.
        StorageError: likewise.
        TrainingProcessFailed: with the traceback of the first that failed.
    """
    with tempfile.TemporaryDirectory() as folder, _signals_as_before(), _quiet_launcher():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id="train",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",  # any free port
            local_addr=LOOPBACK,  # a pod's own name need not resolve
            max_restarts=0,  # Kubeflow tries again, and training goes on from its checkpoint
            start_method="spawn",  # CUDA, and threads in general, do not survive a fork
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        try:
            elastic_launch(config, _work_in_group)(count, work, arguments)
        except ChildFailedError as failed:
            raise _as_it_was(failed, Path(folder)) from None


@contextmanager
def process_group() -> Iterator[None]:
    """As one of the processes that torch's launcher started, on its own GPU where there are any."""
    if torch.cuda.is_available():
        torch.cuda.set_device(dist.get_node_local_rank())
    dist.init_process_group()
    yield
    # Not after an error: the others would tell of a lost connection before this one tells why.
    dist.destroy_process_group()


def _work_in_group(count: int, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(max(1, torch.get_num_threads() // count))
    with process_group():
        work(*arguments)


def _as_it_was(failed: ChildFailedError, folder: Path) -> Exception:
    """What a process raised: a mistake rather than what the others say when they lose that one."""
    # By age: the launcher itself takes any of those that it finds dead at the same moment.
    files = sorted(folder.glob(_ERROR_FILES), key=lambda file: file.stat().st_mtime_ns)
    messages: list[dict[str, Any]] = [json.loads(file.read_bytes())["message"] for file in files]
    for kind in (InputError, StorageError):
        for message in messages:
            name, _, sentence = message["message"].partition(": ")
            if name == kind.__name__:
                return kind.told(sentence)
    rank, first = failed.get_first_failure()
    if not messages or not Path(first.error_file).is_file():  # the others' are its consequences
        how = f"by {first.signal_name()}" if first.exitcode < 0 else f"with code {first.exitcode}"
        return TrainingProcessFailed(f"training process {rank} ended {how}; what it said is above")
    callstack = messages[0]["extraInfo"]["py_callstack"].rstrip()
    return TrainingProcessFailed(f"a training process failed:\n{callstack}")


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """Undo the launcher's handlers; a signal that came does what it does without them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # it sets none there
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    came: signal.Signals | None = None
    try:
        yield
    except SignalException as exception:  # the processes have been ended
        came = exception.sigval
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came is not None:
        signal.raise_signal(came)


@contextmanager
def _quiet_launcher() -> Iterator[None]:
    """Without the launcher's own account of a failure, which `in_processes` tells."""
    logger = logging.getLogger("torch.distributed.elastic.multiprocessing.api")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
