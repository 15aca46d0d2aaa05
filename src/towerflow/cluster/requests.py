"""What is asked of Kubeflow Pipelines, in the words of its v2beta1 API."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from towerflow.cluster.cron import Cron
from towerflow.cluster.parameters import Arguments, CompiledPipeline
from towerflow.cluster.server import Server

API: Final = "/apis/v2beta1"

Body = dict[str, JsonValue]


class Call(BaseModel):
    """A request that changes something on the server.

    Attributes:
        when: what has to hold for it to be sent; empty: always.
        file: name, size and hash of what is uploaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["POST"] = "POST"
    path: str
    query: dict[str, str] = {}
    body: Body | None = None
    file: dict[str, str | int] = {}
    when: str = ""

    def shown(self) -> dict[str, JsonValue]:
        """Without what is empty."""
        found: dict[str, JsonValue] = self.model_dump(mode="json", exclude_defaults=True)
        return {"method": self.method, **found}


class Request(BaseModel):
    """Something to do there; `python -m pipelines.server` puts ids where names stand in for them.

    `calls` of those that change something tells what would be sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class UploadRequest(Request):
    """A new version of a pipeline, which is created where there is none."""

    action: Literal["upload"] = "upload"
    pipeline: str
    version: str
    package: Path
    description: str

    def calls(self, server: Server) -> list[Call]:
        """The pipeline if need be, and the version."""
        content = self.package.read_bytes()
        return [
            Call(
                path=f"{API}/pipelines",
                body={
                    "name": self.pipeline,
                    "display_name": self.pipeline,
                    "namespace": server.namespace,
                },
                when=f"there is no pipeline {self.pipeline}",
            ),
            Call(
                path=f"{API}/pipelines/upload_version",
                query={
                    "name": self.version,
                    "pipelineid": pipeline_id(self.pipeline),
                    "description": self.description,
                },
                file={
                    "name": self.package.name,
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                },
                when=f"there is no version {self.version}",
            ),
        ]


class SubmitRequest(Request):
    """A run, now."""

    action: Literal["submit"] = "submit"
    pipeline: str
    version: str | None
    body: Body
    wait: bool = False
    wait_seconds: int | None = None

    def calls(self, server: Server) -> list[Call]:
        """The experiment if need be, and the run."""
        return [_experiment(server), Call(path=f"{API}/runs", body=self.body)]


class ScheduleRequest(Request):
    """A recurring run in place of those of the same name."""

    action: Literal["schedule"] = "schedule"
    pipeline: str
    version: str | None
    body: Body

    def calls(self, server: Server) -> list[Call]:
        """The experiment if need be, the new one, and the end of the old ones."""
        name = self.body["display_name"]
        return [
            _experiment(server),
            Call(path=f"{API}/recurringruns", body=self.body, when="there is none that is equal"),
            Call(
                path=f"{API}/recurringruns/<id of each older one>:disable",
                when=f"schedule {name} was enabled before",
            ),
        ]


class SchedulesRequest(Request):
    """The recurring runs of the experiment; those of one name are disabled before."""

    action: Literal["schedules"] = "schedules"
    disable: str = ""


class RunsRequest(Request):
    """The latest runs of the experiment."""

    action: Literal["runs"] = "runs"
    limit: int
    pipeline: str = ""


def upload_request(compiled: CompiledPipeline, package: Path, version: str) -> UploadRequest:
    """A version whose description holds the hash of what it is."""
    content = hashlib.sha256(package.read_bytes()).hexdigest()
    return UploadRequest(
        pipeline=compiled.name,
        version=version,
        package=package,
        description=f"towerflow upload, sha256:{content}",
    )


def submit_request(
    server: Server,
    compiled: CompiledPipeline,
    arguments: Arguments,
    *,
    run_name: str,
    version: str | None,
    uploaded: bool,
    caching: bool = True,
    wait_seconds: int | None = None,
    wait: bool = False,
) -> SubmitRequest:
    """A run of the package itself, or of what is uploaded: `version`, or the latest."""
    body: Body = {
        "display_name": run_name,
        "experiment_id": experiment_id(server),
        "runtime_config": _runtime_config(server, arguments),
    }
    if server.service_account:
        body["service_account"] = server.service_account
    if uploaded:
        body["pipeline_version_reference"] = _reference(compiled.name, version)
    else:
        body["pipeline_spec"] = _package(compiled, caching)
    return SubmitRequest(
        pipeline=compiled.name if uploaded else "",
        version=version,
        body=body,
        wait=wait,
        wait_seconds=wait_seconds,
    )


def schedule_request(
    server: Server,
    compiled: CompiledPipeline,
    arguments: Arguments,
    *,
    name: str,
    cron: Cron,
    version: str | None,
    catch_up: bool,
    enabled: bool,
) -> ScheduleRequest:
    """A recurring run; its description tells whether an equal one is there already."""
    body: Body = {
        "display_name": name,
        "experiment_id": experiment_id(server),
        "pipeline_version_reference": _reference(compiled.name, version),
        "runtime_config": _runtime_config(server, arguments),
        "max_concurrency": "1",  # int64, which JSON of protobuf writes as text
        "no_catchup": not catch_up,
        "mode": "ENABLE" if enabled else "DISABLE",
        "trigger": {"cron_schedule": {"cron": cron.text}},
    }
    if server.service_account:
        body["service_account"] = server.service_account
    # The server fills in what is left out, so that its answer cannot be compared with what was
    # sent: the hash can.
    settings = json.dumps(body, sort_keys=True).encode()
    digest = hashlib.sha256(settings).hexdigest()
    body["description"] = f"towerflow schedule, sha256:{digest}"
    return ScheduleRequest(pipeline=compiled.name, version=version, body=body)


def experiment_id(server: Server) -> str:
    """Stands for the id of the environment's experiment."""
    return f"<id of experiment {server.experiment}>"


def pipeline_id(pipeline: str) -> str:
    """Stands for the id of a pipeline."""
    return f"<id of pipeline {pipeline}>"


def version_id(version: str) -> str:
    """Stands for the id of a version."""
    return f"<id of version {version}>"


def _experiment(server: Server) -> Call:
    return Call(
        path=f"{API}/experiments",
        body={"display_name": server.experiment, "namespace": server.namespace},
        when=f"there is no experiment {server.experiment}",
    )


def _runtime_config(server: Server, arguments: Arguments) -> Body:
    config: Body = {"parameters": dict(arguments)}
    if server.pipeline_root:
        config["pipeline_root"] = server.pipeline_root
    return config


def _reference(pipeline: str, version: str | None) -> Body:
    """Without a version the server takes the latest, at each start anew."""
    reference: Body = {"pipeline_id": pipeline_id(pipeline)}
    if version is not None:
        reference["pipeline_version_id"] = version_id(version)
    return reference


def _package(compiled: CompiledPipeline, caching: bool) -> Body:
    """Both documents, as kfp.Client sends them."""
    spec: Any = json.loads(json.dumps(compiled.spec))
    if not caching:
        _without_caching(spec)
    return (
        {"pipeline_spec": spec, "platform_spec": compiled.platform} if compiled.platform else spec
    )


def _without_caching(spec: Mapping[str, Any]) -> None:
    """In the root and in every DAG below it; kfp.Client forgets those of loops and conditions."""
    dags = [spec["root"], *spec.get("components", {}).values()]
    for task in (task for dag in dags for task in dag.get("dag", {}).get("tasks", {}).values()):
        task["cachingOptions"] = {}
