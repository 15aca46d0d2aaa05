"""A stand-in server, an environment that points at it, and the command line."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import kfp_server_api as api
import pytest
from typer.testing import CliRunner, Result

from tests.cluster.kfp_server import KfpServer
from towerflow import cli_cluster
from towerflow.cli import TOLD, app, exit_code
from towerflow.cluster.environment import Environment
from towerflow.local_run import compile_pipelines

Cli = Callable[..., Result]
WriteEnvironment = Callable[..., Path]

REQUIRED = "data_version embedding_store encoder interactions items release_root"
PARAMS = [word for name in REQUIRED.split() for word in ("--param", f"{name}=a-{name}")]
ENVIRONMENT = """
description: A test.
images: {{cpu: "example.com/towerflow:1", gpu: "example.com/towerflow:1"}}
server:
  endpoint: {endpoint}
  namespace: {namespace}
  experiment: nightly
  service_account: trainer
  pipeline_root: gs://bucket/root
  timeout_seconds: {seconds}
  auth: {auth}
steps: {{train: {{memory_limit: 4Gi}}}}
"""


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with KfpServer() as server:
        yield server


@pytest.fixture
def write_environment(kfp: KfpServer, tmp_path: Path) -> WriteEnvironment:
    """Writes an environment file for the stand-in."""

    def write(
        auth: str = "{kind: none}",
        endpoint: str = kfp.url,
        namespace: str = "team",
        seconds: int = 60,  # a busy machine is no server that hangs
    ) -> Path:
        path = tmp_path / "test.yaml"
        text = ENVIRONMENT.format(
            endpoint=endpoint, auth=auth, namespace=namespace, seconds=seconds
        )
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pipelines, compiled once for an environment."""
    folder = tmp_path_factory.mktemp("packages")
    environment = folder / "any.yaml"
    text = ENVIRONMENT.format(
        endpoint="http://x", auth="{kind: none}", namespace="team", seconds=60
    )
    environment.write_text(text, "utf-8")
    return compile_pipelines(folder, env=str(environment))


@pytest.fixture
def cli(
    packages: list[Path], write_environment: WriteEnvironment, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """Runs `towerflow … --env test.yaml` as `main` does, on what was compiled before."""

    def compiled(output: Path, env: str) -> list[Path]:
        if env:
            Environment.read(Path(env)).image_variables({}, Path(env))  # as the real one asks
        return [Path(shutil.copy(path, output)) for path in packages]

    monkeypatch.setattr(cli_cluster, "compile_pipelines", compiled)
    default = write_environment()

    def run(
        *arguments: str, env: Path = default, variables: Mapping[str, str] | None = None
    ) -> Result:
        done = CliRunner().invoke(
            app, [*arguments, "--env", str(env)], env={"COLUMNS": "200", **(variables or {})}
        )
        if isinstance(done.exception, TOLD):
            done.exit_code = exit_code(done.exception)
            done.stdout_bytes += f"error: {done.exception}\n".encode()
            done.output_bytes += f"error: {done.exception}\n".encode()
        elif done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.fixture
def impatient(cli: Cli, write_environment: WriteEnvironment) -> None:
    """The environment of `cli` gives up soon, for servers that hang."""
    write_environment(seconds=2)


def passed(done: Result) -> str:
    """The output of a command that went well."""
    assert done.exit_code == 0, done.output
    return done.output


def failed(done: Result, code: int) -> str:
    """The one sentence of a command that did not."""
    assert done.exit_code == code, done.output
    error = done.output[done.output.index("error: ") :]
    assert error.count("\n") == 1
    assert "Traceback" not in done.output
    return error.strip()


def state(name: str, task: str = "", error: str = "") -> Callable[[api.V2beta1Run], None]:
    """Makes a run be in a state, and a task in it and in the DAG around it."""

    def change(run: api.V2beta1Run) -> None:
        run.state = name
        status = api.GoogleRpcStatus(message=error) if error else None
        details = [
            api.V2beta1PipelineTaskDetail(task_id="1", display_name="root", state=name),
            api.V2beta1PipelineTaskDetail(
                task_id="2", parent_task_id="1", display_name=task, state=name, error=status
            ),
        ]
        run.run_details = api.V2beta1RunDetails(task_details=details)
        run.finished_at = datetime.now(UTC) if name in ("FAILED", "SUCCEEDED") else None

    return change
