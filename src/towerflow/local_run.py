"""Compile the pipelines and run a compiled one on this machine, through `python -m pipelines`.

A process of its own keeps kfp out of the library, and lets this one show a readable account of
the run while the whole of what KFP prints goes to a log file.
"""

import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

from towerflow.cluster.environment import Environment, environment_file
from towerflow.docker_images import image_ids
from towerflow.errors import InputError, RunFailed, StorageError
from towerflow.progress import clock
from towerflow.storage.files import files_under
from towerflow.storage.filesystems import content_version

Announce = Callable[[str], None]
Argument = str | bool | int | float

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EVENT = re.compile(
    r"(?P<start>Executing task '(?P<started>[\w-]+)')"
    r"|(?P<end>Task '(?P<ended>[\w-]+)' finished with status (?P<status>\w+))"
    r"|(?P<hit>Task '?(?P<cached>[\w-]+)'? cache hit)"
    r"|(?P<skip>Skipping conditional task '?(?P<skipped>[\w-]+)'?)"
)
_OURS: Final = "towerflow: "
# How a traceback ends where a step told a sentence; Overtaken is an InputError of publishing.
_TOLD: Final = re.compile(
    r"towerflow\.[\w.]+\.(?P<kind>InputError|Overtaken|StorageError): (?P<told>.*)"
)
_TAIL_LINES: Final = 15
_USERS_MISTAKE: Final = 2  # exit code of a process that told a sentence


def compile_pipelines(
    output: Path,
    images: Mapping[str, str] | None = None,
    env: str = "",
    manifests: bool = False,
    version: str = "",
) -> list[Path]:
    """Write the YAML of every pipeline to `output`.

    Args:
        output: a folder.
        images: image by environment variable, over those that the environment has.
        env: name or file of an environment; empty: none.
        manifests: as Kubernetes objects, for GitOps.
        version: what these are named; empty: by the commit.

    Raises:
        InputError: the environment or its images are not what they should be.
        RunFailed: kfp does not compile them.
    """
    command = _command("compile", output=output, env=env, version=version)
    command += ["--kubernetes-manifest-format"] if manifests else []
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(images or {})},
    )
    if done.returncode == _USERS_MISTAKE:
        raise InputError.told(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
    if done.returncode:
        raise RunFailed(f"the pipelines do not compile:\n{done.stderr}")
    return [Path(line) for line in done.stdout.splitlines()]


def run_pipeline(
    pipeline: str,
    arguments: Mapping[str, Argument],
    work: Path,
    announce: Announce,
    env: str = "",
) -> dict[str, str]:
    """Compile a pipeline, run the compiled YAML and return its outputs by name.

    Args:
        pipeline: name of one in `pipelines/`.
        arguments: pipeline parameters.
        work: folder for the YAML, KFP's artifacts and cache, and the log.
        announce: told a line at a time what happens.
        env: name or file of an environment, in whose images each step runs, in a container of its
            own; empty: in processes of this very environment.

    Raises:
        InputError: a step found a mistake of the user's, or was overtaken; no such image.
        StorageError: a store failed for too long.
        RunFailed: a step failed otherwise.
    """
    images = _local_images(env)
    compile_pipelines(work, images, env)
    with tempfile.TemporaryDirectory() as temporary:
        # TMPDIR: kfp leaves a folder a task behind, which goes with ours.
        environment = {**os.environ, **images, "TMPDIR": temporary, "PYTHONUNBUFFERED": "1"}
        arguments_file = Path(temporary) / "arguments.json"
        outputs_file = Path(temporary) / "outputs.json"
        arguments_file.write_text(json.dumps(arguments), "utf-8")
        command = _command(
            "run",
            yaml=work / f"{pipeline}.yaml",
            arguments=arguments_file,
            outputs=outputs_file,
            work=work / "kfp",
            env=env,
        )
        _run_compiled(command, environment, work / "run.log", announce)
        outputs: dict[str, str] = json.loads(outputs_file.read_text("utf-8"))
        return outputs


def _command(name: str, **values: object) -> list[str]:
    """A command of `python -m pipelines`; a value may begin with a dash, hence the sign."""
    options = [f"--{key}={value}" for key, value in values.items()]
    return [sys.executable, "-m", "pipelines", name, *options]


def _run_compiled(
    command: list[str], environment: Mapping[str, str], log_path: Path, announce: Announce
) -> None:
    """Run a pipeline to its end, with an account of it.

    Raises:
        InputError: a mistake of the user's, before or in a step.
        StorageError: a store failed for too long.
        RunFailed: a step failed otherwise.
    """
    account = Account(announce)
    with (
        log_path.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as process,
    ):
        assert process.stdout is not None, "asked for a pipe"
        account.follow(process.stdout, log)
    if process.returncode == _USERS_MISTAKE:
        raise InputError.told(account.tail[-1].removeprefix("error: "))
    if process.returncode:
        account.raise_failure(log_path)


def _local_images(env: str) -> dict[str, str]:
    """Image by environment variable: what stands for the code, as KFP's cache goes by names."""
    if env:
        path = environment_file(env)
        return image_ids(Environment.read(path).image_variables(os.environ, path))
    sources = [p for p in files_under(Path(__file__).parent) if p.suffix != ".pyc"]
    code = f"towerflow-local:{content_version(*map(str, sources))}"
    return {"TOWERFLOW_CPU_IMAGE": code, "TOWERFLOW_GPU_IMAGE": code}


class Account:
    """Turns what KFP prints into the lines that a person wants to see."""

    def __init__(self, announce: Announce) -> None:
        self.announce = announce
        self.started: dict[str, float] = {}
        self.told: InputError | StorageError | None = None
        self.task = ""  # the last that was started
        self.failed = ""  # the first that failed, and the last lines until then
        self.tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)

    def follow(self, lines: IO[str], log: IO[str]) -> None:
        """Copy `lines` to `log`, announcing what matters."""
        for raw in lines:
            line = _COLOUR.sub("", raw)
            log.write(line)
            log.flush()
            self.read(line.strip())

    def read(self, line: str) -> None:
        """Take in one line."""
        if line:
            self.tail.append(line)
        if match := _TOLD.search(line):
            kind = StorageError if match["kind"] == "StorageError" else InputError
            self.told = self.told or kind.told(match["told"])
        elif line.startswith(_OURS):
            self.announce(f"    {line.removeprefix(_OURS)}")
        elif event := _EVENT.search(line):
            self._tell(event)

    def _tell(self, event: re.Match[str]) -> None:
        if event["start"]:
            self.task = _step(event["started"])
            self.started[self.task] = time.monotonic()
            self.announce(f"  {self.task} …")
        elif event["hit"]:
            self.announce(f"  {_step(event['cached'])}: unchanged, from the cache")
        elif event["skip"]:
            self.announce(f"  {_step(event['skipped'])}: skipped")
        elif (task := _step(event["ended"])) in self.started:
            seconds = time.monotonic() - self.started[task]
            self.announce(f"  {task}: {event['status'].lower()} in {clock(seconds)}")
            if event["status"] == "FAILURE":
                self.failed = self.failed or self._failure(task)

    def raise_failure(self, log_path: Path) -> None:
        """Say why the run failed."""
        if self.told:
            raise self.told
        raise RunFailed(f"{self.failed or self._failure(self.task)}\nthe whole log is {log_path}")

    def _failure(self, task: str) -> str:
        last = "\n".join(f"  {line}" for line in self.tail)
        who = f"task {task}" if task else "before its first task the run"
        return f"{who} failed, after these last lines:\n{last}"


def _step(task: str) -> str:
    """The step of a KFP task: KFP writes dashes for underscores, and counts tasks of one name."""
    return re.sub(r"-\d+$", "", task).replace("-", "_")
