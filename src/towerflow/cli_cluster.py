"""`towerflow upload | submit | schedule | schedules | runs`: Kubeflow Pipelines on a cluster."""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from towerflow.cli_environment import Env, required_environment
from towerflow.cli_output import announce, console
from towerflow.cluster.asking import Conflict, ServerFailed, ask
from towerflow.cluster.cron import Cron
from towerflow.cluster.environment import environment_file
from towerflow.cluster.parameters import Arguments, CompiledPipeline, read_arguments
from towerflow.cluster.requests import (
    RunsRequest,
    ScheduleRequest,
    SchedulesRequest,
    SubmitRequest,
    UploadRequest,
    schedule_request,
    submit_request,
    upload_request,
)
from towerflow.cluster.server import Server
from towerflow.cluster.versions import DIRTY, commit_version
from towerflow.errors import InputError
from towerflow.local_run import compile_pipelines
from towerflow.progress import clock
from towerflow.recipes import load_recipe

MINUTE: Final = "%Y-%m-%d %H:%M"
SHOWN_TIMES: Final = 3

Pipeline = Annotated[str, typer.Option(help="Which: retrain, refresh_items or compare_models.")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", help="name=value; @file: the text of a file. May be repeated."),
]
ParamsFile = Annotated[
    Path | None, typer.Option("--params", help="YAML file of values by name; --param wins.")
]
PinnedVersion = Annotated[str, typer.Option(help="An uploaded version.", show_default="the latest")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print as JSON what would be sent, and ask nobody.")
]


def upload(
    env: Env = "",
    pipeline: Annotated[
        list[str] | None, typer.Option(help="May be repeated.", show_default="all")
    ] = None,
    version: Annotated[
        str, typer.Option(help="Name of the version.", show_default="the git commit")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Compile the pipelines and upload each as a new version.

    A version that is there already with other content stays as it is; the others are uploaded.
    """
    server = _server(env)
    version = version or commit_version()
    if version.endswith(DIRTY):
        _warn("files differ from the commit, so that nobody can make this again")
    requests = {}
    with _compiled(env, pipeline or []) as packages:
        for name, package in packages.items():
            requests[name] = upload_request(CompiledPipeline.read(package), package, version)
        if dry_run:
            _show(server, *requests.values())
            return
        _upload_each(server, requests, version)


def submit(
    pipeline: Pipeline,
    env: Env = "",
    param: Params = None,
    params: ParamsFile = None,
    run_name: Annotated[
        str, typer.Option(help="In the UI.", show_default="pipeline and time")
    ] = "",
    uploaded: Annotated[
        bool,
        typer.Option("--uploaded", help="Run the latest uploaded version; else what is here."),
    ] = False,
    pinned_version: PinnedVersion = "",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run every task, whatever ran before.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until it ended; 1 if it failed.")] = False,
    timeout: Annotated[
        int | None, typer.Option(min=1, help="Seconds to wait; the run goes on.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Run a pipeline on the cluster, now.

    Compiles it for the environment and sends it along, unless an uploaded version is asked for.
    """
    server = _server(env)
    if no_cache and (uploaded or pinned_version):
        raise InputError(
            "--no-cache",
            expected="a pipeline that is sent along",
            found="an uploaded version, which says itself what is cached",
            hint="leave out --uploaded and --pinned-version",
        )
    if timeout is not None and not wait:
        raise InputError("--timeout", expected="--wait beside it", found="none")
    with _compiled(env, [pipeline]) as packages:
        compiled = CompiledPipeline.read(packages[pipeline])
    request = submit_request(
        server,
        compiled,
        _arguments(compiled, params, param),
        run_name=run_name or f"{pipeline} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        version=pinned_version or None,
        uploaded=uploaded or bool(pinned_version),
        caching=not no_cache,
        wait=wait,
        wait_seconds=timeout,
    )
    if dry_run:
        _show(server, request)
        return
    answer = ask(server, request, _announcer(server))
    if wait:
        _tell_end(answer)


def schedule(
    pipeline: Pipeline,
    cron: Annotated[
        str, typer.Option(help='Six fields, seconds first, in UTC: "0 0 3 * * *"; or @daily.')
    ],
    env: Env = "",
    name: Annotated[str, typer.Option(help="Of the schedule.", show_default="the pipeline")] = "",
    param: Params = None,
    params: ParamsFile = None,
    pinned_version: PinnedVersion = "",
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Run what was missed, one by one.")
    ] = False,
    disabled: Annotated[
        bool, typer.Option("--disabled", help="Create it without starting runs.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Run an uploaded pipeline again and again, in place of the schedule of that name."""
    times = Cron.parse(cron)
    server = _server(env)
    with _compiled(env, [pipeline]) as packages:
        compiled = CompiledPipeline.read(packages[pipeline])
    request = schedule_request(
        server,
        compiled,
        _arguments(compiled, params, param),
        name=name or pipeline,
        cron=times,
        version=pinned_version or None,
        catch_up=catch_up,
        enabled=not disabled,
    )
    if skipped := compiled.cached_at_the_start():
        _warn(
            f"each run has the same arguments, so that KFP's cache skips {', '.join(skipped)} from "
            f"the second on; steps.<step>.caching: false in {environment_file(env)} makes it read "
            "anew"
        )
    if dry_run:
        _show(server, request)
        return
    answer = ask(server, request, announce)
    told = "created" if answer["new"] else "is there already, nothing changed"
    page = f"recurringrun/details/{answer['recurring_run_id']}"
    announce(f"schedule {name or pipeline}: {told}: {server.link(page)}")
    for old in answer["disabled"]:
        announce(f"disabled the old one: {old}")
    if not disabled:
        announce(f"next, UTC: {', '.join(_next_times(times, SHOWN_TIMES))}")


def schedules(
    env: Env = "",
    disable: Annotated[str, typer.Option(metavar="NAME", help="Stop this one first.")] = "",
) -> None:
    """List the schedules; stop one.

    What runs goes on to its end. To start it again, schedule it again.
    """
    server = _server(env)
    answer = ask(server, SchedulesRequest(disable=disable), announce)
    table = Table("name", "state", "cron", "next, UTC")
    for one in answer["schedules"]:
        state = "enabled" if one["enabled"] else "disabled"
        following = _next_of(one["cron"]) if one["enabled"] else ""
        _add(table, one["name"], state, one["cron"], following)
    console.print(table)
    # In lines of their own: in a table a narrow terminal would cut ids off.
    for one in answer["schedules"]:
        page = f"recurringrun/details/{one['id']}"
        announce(f"{one['name']}: version {one['pinned'] or 'latest'}: {server.link(page)}")


def runs(
    env: Env = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
    pipeline: Annotated[str, typer.Option(help="Of this one alone.")] = "",
) -> None:
    """List the latest runs, and why those failed that did."""
    server = _server(env)
    name = ""
    if pipeline:
        with _compiled("", [pipeline]) as packages:  # for its name alone: images are not needed
            name = CompiledPipeline.read(packages[pipeline]).name
    answer = ask(server, RunsRequest(limit=limit, pipeline=name), announce)
    table = Table("run", "state", "started, UTC", "took")
    for run in answer["runs"]:
        _add(table, run["name"], run["state"].lower(), *_duration(run))
    console.print(table)
    for run in answer["runs"]:
        page = f"runs/details/{run['run_id']}"
        announce(f"{run['name']}: {server.link(page)}")
        for line in _failures(run["failed"]):
            announce(f"  {line}")


def _warn(text: str) -> None:
    """On stderr, so that the JSON of a dry run stays JSON."""
    print(f"warning: {text}", file=sys.stderr)


def _server(name: str) -> Server:
    path, environment = required_environment(name)
    if environment.server is None:
        raise InputError(
            path, field="server", expected="where Kubeflow Pipelines is", found="nothing"
        )
    return environment.server


@contextmanager
def _compiled(env: str, names: list[str]) -> Iterator[dict[str, Path]]:
    """Packages by the name of the pipeline; all, where none is named."""
    with tempfile.TemporaryDirectory() as folder:
        there = {path.stem: path for path in compile_pipelines(Path(folder), env=env)}
        for name in names:
            if name not in there:
                raise InputError("--pipeline", expected=" or ".join(there), found=f"'{name}'")
        yield {name: there[name] for name in names or there}


def _arguments(compiled: CompiledPipeline, file: Path | None, texts: list[str] | None) -> Arguments:
    """What --params and --param say, with recipes that a run could be made with."""
    found = compiled.arguments(read_arguments(file) if file else {}, texts or [])
    for name in ("recipe", "recipes"):
        given = found.get(name, [])
        for recipe in given if isinstance(given, list) else [given]:
            try:
                load_recipe(str(recipe))
            except InputError as error:
                told = str(error).removeprefix("recipe: ")
                raise InputError.told(f"parameter {name}: {told}") from None
    return found


def _upload_each(server: Server, requests: dict[str, UploadRequest], version: str) -> None:
    """Upload what can be, and say at the end what could not."""
    conflicts = []
    for name, request in requests.items():
        try:
            answer = ask(server, request, announce)
        except Conflict as error:
            conflicts.append(name)
            announce(f"{name} {version}: not uploaded: {error}")
            continue
        told = "uploaded" if answer["new"] else "is there already, with the same content"
        page = f"pipelines/details/{answer['pipeline_id']}/version/{answer['version_id']}"
        announce(f"{name} {version}: {told}: {server.link(page)}")
    if conflicts:
        raise ServerFailed(
            f"version {version} of {', '.join(conflicts)} is another on the server, and versions "
            "cannot be replaced (409); commit, or give another --version"
        )


def _add(table: Table, *cells: str) -> None:
    """A row of what the server says, in which brackets are no markup."""
    table.add_row(*map(Text, cells))


def _show(server: Server, *requests: UploadRequest | SubmitRequest | ScheduleRequest) -> None:
    calls = [call.shown() for request in requests for call in request.calls(server)]
    print(json.dumps({"endpoint": server.endpoint, "requests": calls}, indent=2))


def _announcer(server: Server) -> Callable[[str], None]:
    """Adds the address to the line that names the run."""

    def tell(line: str) -> None:
        match = re.fullmatch(r"run (\S+)", line)
        announce(f"{line}: {server.link(f'runs/details/{match[1]}')}" if match else line)

    return tell


def _tell_end(answer: dict[str, Any]) -> None:
    """What a run came to, if that was not success."""
    state = answer["state"]
    if state in ("SUCCEEDED", "SKIPPED"):
        return
    if state in ("FAILED", "CANCELED"):
        why = "; ".join(_failures(answer["failed"])) or "the server does not say why"
        raise ServerFailed(f"run {answer['run_id']} {state.lower()}: {why}")
    raise ServerFailed(f"run {answer['run_id']} is {state.lower()} after --timeout, and goes on")


def _failures(failed: list[dict[str, str]]) -> list[str]:
    """Task and first line of its error."""
    return [
        f"{one['task'] or 'the run'}: {(one['error'].strip().splitlines() or ['no message'])[0]}"
        for one in failed
    ]


def _duration(run: dict[str, Any]) -> tuple[str, str]:
    """When it began, and how long it took or has taken so far."""
    if not run["created"]:
        return "", ""
    began = datetime.fromisoformat(run["created"])
    ended = datetime.fromisoformat(run["finished"]) if run["finished"] else datetime.now(UTC)
    # The server's clock may be ahead; and 1970 stands for a run that has not ended.
    took = (ended if ended > began else datetime.now(UTC)) - began
    return f"{began.astimezone(UTC):{MINUTE}}", clock(max(took, timedelta()).total_seconds())


def _next_times(cron: Cron, count: int) -> list[str]:
    return [f"{time:{MINUTE}:%S}" for time in islice(cron.times(datetime.now(UTC)), count)]


def _next_of(cron: str) -> str:
    """Nothing, for what was scheduled in the UI and is read by no rule of ours."""
    try:
        return "".join(_next_times(Cron.parse(cron), 1))
    except InputError:
        return ""
