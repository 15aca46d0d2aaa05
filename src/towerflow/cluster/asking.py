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
from towerflow.errors import InputError, shortened
from towerflow.local_run import RunFailed

_OURS: Final = "towerflow: "


class ServerFailed(RunFailed):
    """The server refused or did not answer, and not by a mistake of the user's."""


def ask(server: Server, request: Request, announce: Callable[[str], None]) -> dict[str, Any]:
    """The server's answer.

    Args:
        server: where.
        request: what.
        announce: told a line at a time how it goes on.

    Raises:
        InputError: credentials that are missing, or a request that the server refuses as wrong.
        ServerFailed: anything else that went wrong.
    """
    server.check_credentials()
    # kfp.Client takes what is not given from variables, such as those of another cluster.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("KF_PIPELINES_")
    }
    with tempfile.TemporaryDirectory() as temporary:
        request_file = Path(temporary) / "request.json"
        answer_file = Path(temporary) / "answer.json"
        errors_file = Path(temporary) / "errors.txt"
        whole = {**request.model_dump(mode="json"), "server": server.model_dump(mode="json")}
        request_file.write_text(json.dumps(whole), "utf-8")
        command = [sys.executable, "-m", "pipelines.server", "--request", str(request_file)]
        command += ["--answer", str(answer_file)]
        with (
            errors_file.open("w", encoding="utf-8") as errors,
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
        if not answer_file.exists():
            last = errors_file.read_text("utf-8", errors="replace").strip().splitlines()[-1:]
            # The kind of error alone: its text may quote a header.
            kind = shortened("".join(last).partition(":")[0]) or f"exit code {process.returncode}"
            raise ServerFailed(f"{server.endpoint}: python -m pipelines.server broke off: {kind}")
        answer: dict[str, Any] = json.loads(answer_file.read_text("utf-8"))
    if "mistake" in answer:
        raise InputError.told(f"{answer['mistake']}.")
    if "failure" in answer:
        raise ServerFailed(f"{answer['failure']}.")
    result: dict[str, Any] = answer["result"]
    return result
