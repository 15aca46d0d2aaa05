"""Ask a Kubeflow Pipelines server, through `python -m pipelines.server`.

A process of its own keeps kfp out of the library, and what kfp prints out of the output.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from towerflow.cluster.requests import Request
from towerflow.cluster.server import Server
from towerflow.errors import InputError, RunFailed, shortened

_OURS: Final = "towerflow: "
# Files of the folder that is shared with the process.
_REQUEST: Final = "request.json"
_ANSWER: Final = "answer.json"
_ERRORS: Final = "errors.txt"


class ServerFailed(RunFailed):
    """The server refused or did not answer, and not by a mistake of the user's."""


class Conflict(ServerFailed):
    """There is one of that name already, and it is another."""


def ask(server: Server, request: Request, announce: Callable[[str], None]) -> dict[str, Any]:
    """The server's answer.

    Args:
        server: where.
        request: what.
        announce: told a line at a time how it goes on.

    Raises:
        InputError: credentials that are missing, or a request that the server refuses as wrong.
        Conflict: what should be made is there already.
        ServerFailed: anything else that went wrong.
    """
    server.check_credentials(os.environ)
    whole = {**request.model_dump(mode="json"), "server": server.model_dump(mode="json")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / _REQUEST).write_text(json.dumps(whole), "utf-8")
        exit_code = _follow(folder, announce)
        return _answer(folder, server.endpoint, exit_code)


def _follow(folder: Path, announce: Callable[[str], None]) -> int:
    """Run the process on the request in `folder` to its end; its exit code."""
    command = [sys.executable, "-m", "pipelines.server"]
    command += [f"--request={folder / _REQUEST}", f"--answer={folder / _ANSWER}"]
    # kfp.Client takes what is not given from variables, such as those of another cluster.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("KF_PIPELINES_")
    }
    with (
        (folder / _ERRORS).open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            env=environment,
        ) as process,
    ):
        assert process.stdout is not None, "asked for a pipe"
        for line in process.stdout:
            if line.startswith(_OURS):
                announce(line.removeprefix(_OURS).rstrip())
    return process.returncode


def _answer(folder: Path, endpoint: str, exit_code: int) -> dict[str, Any]:
    """The result that the process left in `folder`, or its refusal as an error."""
    path = folder / _ANSWER
    if not path.exists():
        last = (folder / _ERRORS).read_text("utf-8", errors="replace").strip().splitlines()[-1:]
        # The kind of error alone: its text may quote a header.
        kind = shortened("".join(last).partition(":")[0]) or f"exit code {exit_code}"
        raise ServerFailed(f"{endpoint}: python -m pipelines.server broke off: {kind}")
    answer: dict[str, Any] = json.loads(path.read_text("utf-8"))
    match answer:
        case {"mistake": str(sentence)}:
            raise InputError.told(f"{sentence}.")
        case {"conflict": str(sentence)}:
            raise Conflict(f"{sentence}.")
        case {"failure": str(sentence)}:
            raise ServerFailed(f"{sentence}.")
    result: dict[str, Any] = answer["result"]
    return result
