"""A stand-in for a Kubeflow Pipelines server, on loopback and in memory.

It refuses what the published schema does not have, keeps what it is given, and fails when told.
"""

import email
import email.policy
import itertools
import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import kfp_server_api as api

from tests.cluster import kfp_schema as schema

Json = dict[str, Any]


class Refusal(Exception):  # noqa: N818
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Fault:
    """What goes wrong with requests whose `METHOD path` fits.

    Attributes:
        what: a status, or hang, break, page, redirect.
        times: how often; None: always.
        done: the request is carried out nevertheless, before the fault.
        message: of the error.
    """

    pattern: str
    what: int | str
    times: int | None = None
    done: bool = False
    message: str = "told to fail"


@dataclass
class Received:
    """One request, as it arrived."""

    method: str
    path: str
    query: Json
    body: Any
    headers: Json
    status: int = 0


@dataclass
class KfpServer:
    """Starts with `with`; `url` is the endpoint."""

    namespaces: tuple[str, ...] = ("team",)
    required_header: tuple[str, str] | None = None
    faults: list[Fault] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    experiments: Json = field(default_factory=dict)
    pipelines: Json = field(default_factory=dict)
    versions: Json = field(default_factory=dict)
    recurring_runs: Json = field(default_factory=dict)
    runs: Json = field(default_factory=dict)
    # What a run becomes each time that it is looked at.
    script: list[Callable[[Any], None]] = field(default_factory=list)

    def __enter__(self) -> Self:
        server = self
        self.ids = itertools.count(1)
        self.ended = threading.Event()

        class Handler(_Handler):
            kfp = server

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/pipeline"
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()

    @property
    def writes(self) -> list[Received]:
        """What changed something."""
        return [one for one in self.received if one.method != "GET" and one.status == 200]

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault that a request meets, used up by one."""
        for one in self.faults:
            if one.times != 0 and re.search(one.pattern, f"{method} {path}"):
                one.times = None if one.times is None else one.times - 1
                return one
        return None

    def answer(self, one: Received) -> Any:
        """The model of what is asked for."""
        if self.required_header:
            name, value = self.required_header
            if one.headers.get(name) != value:
                said = f"Unauthenticated: {one.headers.get(name)}"  # proxies repeat what they get
                raise Refusal(401, said)
        try:
            asked, ids = schema.operation(one.method, one.path, one.query)
            if asked.body:
                schema.check(one.body, asked.body, "body")
        except LookupError:
            raise Refusal(404, "Not Found") from None
        except (schema.SchemaError, ValueError) as error:
            raise Refusal(400, str(error)) from None
        handler = getattr(self, asked.name, None)
        if handler is None:
            raise Refusal(501, f"{asked.name} is not played")
        return handler(one, *ids)

    def new_id(self, kind: str) -> str:
        """An id that tells what it is of."""
        return f"{kind}-{next(self.ids)}"

    def _see_namespace(self, namespace: str | None) -> None:
        if namespace not in self.namespaces:
            raise Refusal(403, f"User is not authorized in namespace {namespace}")

    def create_experiment(self, one: Received) -> Any:
        self._see_namespace(one.body.get("namespace"))
        if any(each.display_name == one.body["display_name"] for each in self.experiments.values()):
            raise Refusal(409, "Already exist error: experiment")
        made = api.V2beta1Experiment(experiment_id=self.new_id("experiment"), **one.body)
        self.experiments[made.experiment_id] = made
        return made

    def list_experiments(self, one: Received) -> Any:
        self._see_namespace(one.query.get("namespace"))
        found = _filtered(self.experiments, one.query)
        return api.V2beta1ListExperimentsResponse(experiments=found or None)

    def create_pipeline(self, one: Received) -> Any:
        self._see_namespace(one.body.get("namespace"))
        made = api.V2beta1Pipeline(pipeline_id=self.new_id("pipeline"), **one.body)
        self.pipelines[made.pipeline_id] = made
        return made

    def list_pipelines(self, one: Received) -> Any:
        self._see_namespace(one.query.get("namespace"))
        return api.V2beta1ListPipelinesResponse(
            pipelines=_filtered(self.pipelines, one.query) or None
        )

    def list_pipeline_versions(self, one: Received, pipeline: str) -> Any:
        of_it = {key: one for key, one in self.versions.items() if one.pipeline_id == pipeline}
        found = _filtered(of_it, one.query)
        return api.V2beta1ListPipelineVersionsResponse(pipeline_versions=found or None)

    def upload_pipeline_version(self, one: Received) -> Any:
        pipeline = one.query["pipelineid"]
        if pipeline not in self.pipelines:
            raise Refusal(404, f"Pipeline {pipeline} not found")
        try:
            spec = schema.check_package(one.body)
        except schema.SchemaError as error:
            raise Refusal(400, f"unknown template format: {error}") from None
        name = one.query["name"]
        for each in self.versions.values():
            if each.pipeline_id == pipeline and each.display_name == name:
                raise Refusal(409, f"Already exist error: version {name}")
        made = api.V2beta1PipelineVersion(
            pipeline_id=pipeline,
            pipeline_version_id=self.new_id("version"),
            display_name=name,
            name=name,
            description=one.query.get("description"),
            pipeline_spec=spec,
        )
        self.versions[made.pipeline_version_id] = made
        return made

    def _spec_of(self, body: Json) -> Json:
        """The pipeline of a run, from the body itself or by its reference."""
        if body.get("experiment_id") not in self.experiments:
            raise Refusal(400, f"experiment {body.get('experiment_id')} not found")
        reference = body.get("pipeline_version_reference")
        if (reference is None) == ("pipeline_spec" not in body):
            raise Refusal(400, "either pipeline_spec or pipeline_version_reference")
        if reference is None:
            schema.check_spec(body["pipeline_spec"])
            spec: Json = body["pipeline_spec"]
        else:
            of_it = [
                one
                for one in self.versions.values()
                if one.pipeline_id == reference["pipeline_id"]
                and reference.get("pipeline_version_id") in (None, one.pipeline_version_id)
            ]
            if not of_it:
                raise Refusal(404, f"no version of {reference['pipeline_id']}")
            spec = of_it[-1].pipeline_spec
        known = schema.parameters(spec)
        given = body.get("runtime_config", {}).get("parameters", {})
        if unknown := set(given) - set(known):
            raise Refusal(400, f"InvalidInputError: unknown parameters {sorted(unknown)}")
        if len(json.dumps(given)) > 10_000:
            raise Refusal(400, "InvalidInputError: The input parameter length exceed 10000")
        return spec

    def create_run(self, one: Received) -> Any:
        self._spec_of(one.body)
        made = api.V2beta1Run(**_models(one.body))
        made.run_id = self.new_id("run")
        made.state, made.created_at = "PENDING", datetime.now(UTC)
        self.runs[made.run_id] = made
        return made

    def get_run(self, one: Received, run: str) -> Any:
        if run not in self.runs:
            raise Refusal(404, f"Run {run} not found")
        if self.script:
            self.script.pop(0)(self.runs[run])
        return self.runs[run]

    def list_runs(self, one: Received) -> Any:
        found = [
            run
            for run in reversed(self.runs.values())
            if run.experiment_id == one.query["experiment_id"]
        ]
        page, more = _page(found, one.query)
        return api.V2beta1ListRunsResponse(runs=page, next_page_token=more)

    def create_recurring_run(self, one: Received) -> Any:
        self._spec_of(one.body)
        if not 1 <= int(one.body["max_concurrency"]) <= 10:
            raise Refusal(400, "InvalidInputError: max_concurrency")
        made = api.V2beta1RecurringRun(**_models(one.body))
        made.recurring_run_id = self.new_id("recurring")
        made.status = f"{made.mode}D"
        made.service_account = made.service_account or "pipeline-runner"  # as the server fills in
        self.recurring_runs[made.recurring_run_id] = made
        return made

    def list_recurring_runs(self, one: Received) -> Any:
        found = [
            each
            for each in self.recurring_runs.values()
            if each.experiment_id == one.query["experiment_id"]
        ]
        page, more = _page(found, one.query)
        return api.V2beta1ListRecurringRunsResponse(recurring_runs=page, next_page_token=more)

    def get_recurring_run(self, one: Received, recurring_run: str) -> Any:
        if recurring_run not in self.recurring_runs:
            raise Refusal(404, f"RecurringRun {recurring_run} not found")
        return self.recurring_runs[recurring_run]

    def disable_recurring_run(self, one: Received, recurring_run: str) -> Any:
        if recurring_run not in self.recurring_runs:
            raise Refusal(404, f"RecurringRun {recurring_run} not found")
        self.recurring_runs[recurring_run].status = "DISABLED"
        return {}


def _filtered(there: Json, query: Json) -> list[Any]:
    """What fits a filter; the API has no other way to find by name."""
    found = list(there.values())
    for predicate in json.loads(query.get("filter", "{}")).get("predicates", []):
        if predicate["operation"] != "EQUALS":
            raise Refusal(501, predicate["operation"])
        found = [
            one for one in found if getattr(one, predicate["key"]) == predicate["string_value"]
        ]
    return found


def _page(found: list[Any], query: Json) -> tuple[list[Any] | None, str | None]:
    """What is asked for of a list, and where it goes on."""
    size, start = int(query.get("page_size", 10)), int(query.get("page_token") or 0)
    more = str(start + size) if start + size < len(found) else None
    return found[start : start + size] or None, more


def _models(body: Json) -> Json:
    """A body whose references can be asked for by name."""
    reference = body.get("pipeline_version_reference")
    if reference is None:
        return body
    return {
        **body,
        "pipeline_version_reference": api.V2beta1PipelineVersionReference(**reference),
    }


class _Handler(BaseHTTPRequestHandler):
    kfp: KfpServer

    def do_GET(self) -> None:
        self.reply()

    def do_POST(self) -> None:
        self.reply()

    def reply(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/pipeline")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        one = Received(
            method=self.command,
            path=path,
            query=dict(parse_qsl(parts.query)),
            body=_body(raw, self.headers.get("Content-Type", "")),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        self.kfp.received.append(one)
        fault = self.kfp.fault(self.command, path)
        if fault is None or fault.done:
            one.status, text = self.carried_out(one)
        if fault is None:
            self.send(one.status, text)
        elif fault.what == "hang":
            self.kfp.ended.wait(30)
        elif fault.what == "break":
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(2)
        elif fault.what == "page":
            self.send(200, "<html>Log in</html>", "text/html")
        elif fault.what == "redirect":
            self.send(302, "", "text/html", {"Location": "/dex/auth"})
        else:
            assert isinstance(fault.what, int)
            self.send(fault.what, _error(fault.message))

    def carried_out(self, one: Received) -> tuple[int, str]:
        try:
            return 200, json.dumps(schema.answer(self.kfp.answer(one)))
        except Refusal as error:
            return error.status, _error(str(error))

    def send(
        self,
        status: int,
        text: str,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _error(message: str) -> str:
    return json.dumps({"error": message, "code": 3, "message": message, "details": []})


def _body(raw: bytes, kind: str) -> Any:
    """JSON, or the text of the one file of a form."""
    if kind.startswith("multipart/form-data"):
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        form = email.message_from_bytes(head + raw, policy=email.policy.default)
        [part] = form.iter_parts()
        assert part.get_param("name", header="content-disposition") == "uploadfile"
        return part.get_payload(decode=True).decode()
    return json.loads(raw) if raw else None
