"""`python -m pipelines.server`: upload, submit, schedule and look, through kfp.Client.

What calls a Kubeflow Pipelines server. The request comes as a JSON file and the answer goes into
another; lines of progress go to stdout, behind `towerflow: `. A mistake, conflict or failure is an
answer too: one sentence, without tokens or cookies.
"""

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.server_api import UNSURE, Json, Refused, Server, TooMany

PATIENCE_SECONDS = 300  # of a wait, while the server does not answer
LONGEST_PAUSE_SECONDS = 15
DISABLE_PAUSES = (0.5, 1.0)  # seconds between tries
ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}


def upload(server: Server, request: Json) -> Json:
    """A new version, or the one of that name if it is the same."""
    name, version = request["pipeline"], request["version"]
    pipeline = server.pipeline(name)
    if pipeline is None:
        # Not upload_pipeline: that names the first version as the pipeline, not by its commit.
        made = server.ask(
            f"create pipeline {name}",
            server.client.pipelines.pipeline_service_create_pipeline,
            pipeline={"name": name, "display_name": name, "namespace": server.namespace},
        )
        pipeline = str(made.pipeline_id)
    there = server.version(pipeline, version)
    if there is not None and there.description != request["description"]:
        raise Refused(
            f"{server.endpoint}: pipeline {name} has a version {version} with other content, and "
            "versions cannot be replaced (409)",
            "conflict",
        )
    if there is None:
        made = server.ask(
            f"upload version {version} of pipeline {name}",
            server.client.pipeline_uploads.upload_pipeline_version,
            uploadfile=request["package"],
            name=version,
            pipelineid=pipeline,
            description=request["description"],
        )
    version_id = (there or made).pipeline_version_id
    return {"pipeline_id": pipeline, "version_id": version_id, "new": there is None}


def submit(server: Server, request: Json) -> Json:
    """A run; its end, if that is waited for."""
    body = request["body"]
    if request["pipeline"]:
        ids = server.reference(request["pipeline"], request["version"])
        body["pipeline_version_reference"] = ids
    body["experiment_id"] = server.experiment(create=True)
    run = server.ask(
        "create a run", server.client.runs.run_service_create_run, look="runs", run=body
    )
    tell(f"run {run.run_id}")
    answer = {"run_id": run.run_id, "state": str(run.state or "PENDING"), "failed": []}
    return waited(server, run.run_id, request["wait_seconds"]) if request["wait"] else answer


def waited(server: Server, run_id: str, seconds: int | None) -> Json:
    """The end of a run, whose changes are told."""
    answered = time.monotonic()
    end = math.inf if seconds is None else answered + seconds
    states: dict[str, str] = {}
    pause = 0.5
    while True:
        run = _look(server, run_id, answered)
        if run is not None:
            answered = time.monotonic()
            _tell_changes(run, states)
            if run.state in ENDED:
                return {"run_id": run_id, "state": str(run.state), "failed": failed_tasks(run)}
        remaining = end - time.monotonic()
        if remaining <= 0:
            return {"run_id": run_id, "state": states.get("run", "unknown"), "failed": []}
        time.sleep(min(pause, remaining))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _look(server: Server, run_id: str, answered: float) -> Any | None:
    """The run; None, while it is not long that the server last `answered`."""
    try:
        return server.ask("look at the run", server.client.runs.run_service_get_run, run_id=run_id)
    except Refused as error:
        if not error.passing or time.monotonic() - answered > PATIENCE_SECONDS:
            raise
        return None


def _tell_changes(run: Any, states: dict[str, str]) -> None:
    """Tell what is in another state than in `states`, and keep it there."""
    for name, state in {**_task_states(run), "run": str(run.state)}.items():
        if states.get(name) != state:
            states[name] = state
            tell(f"  {name}: {state.lower()}")


def schedule(server: Server, request: Json) -> Json:
    """A recurring run in place of the enabled ones of its name.

    The new one is there before an old one ends. If an old one is found to go on nevertheless, the
    new one is ended: of two states that run, the one that was agreed before is the safer.
    """
    body = request["body"]
    body["pipeline_version_reference"] = server.reference(request["pipeline"], request["version"])
    body["experiment_id"] = server.experiment(create=True)
    others = _of_its_name(server, body)
    equal = next((one for one in others if _equal(one, body)), None)
    new_id = equal.recurring_run_id if equal else _create_schedule(server, body)
    old = [
        one.recurring_run_id
        for one in others
        if one.status == "ENABLED" and one.recurring_run_id != new_id
    ]
    _disable_old(server, body["display_name"], new_id, old, made=equal is None)
    return {"recurring_run_id": new_id, "new": equal is None, "disabled": old}


def _of_its_name(server: Server, body: Json) -> list[Any]:
    """The recurring runs that have the name of `body`, all of the same pipeline as it."""
    name = body["display_name"]
    found = [
        one for one in recurring_runs(server, body["experiment_id"]) if one.display_name == name
    ]
    for one in found:
        pipeline = getattr(one.pipeline_version_reference, "pipeline_id", None)
        if pipeline != body["pipeline_version_reference"]["pipeline_id"]:
            raise Refused(
                f"{server.endpoint}: schedule {name} ({one.recurring_run_id}) is of another "
                "pipeline; give another --name",
                "mistake",
            )
    return found


def _create_schedule(server: Server, body: Json) -> str:
    """A recurring run; its id."""
    made = server.ask(
        f"create schedule {body['display_name']}",
        server.client.recurring_runs.recurring_run_service_create_recurring_run,
        look="schedules",
        recurring_run=body,
    )
    return str(made.recurring_run_id)


def _disable_old(server: Server, name: str, new_id: str, old: list[str], *, made: bool) -> None:
    """End the old ones; if one cannot be ended, the new one too, where it was made just now."""
    for one in old:
        try:
            disable(server, one)
        except Refused as error:
            told = _not_replaced(server, name, new_id, old, made=made)
            raise Refused(
                f"schedule {name}: the old one ({one}) could not be disabled ({error}); {told}"
            ) from None


def _not_replaced(server: Server, name: str, new_id: str, old: list[str], *, made: bool) -> str:
    """Take the new one back if an old one goes on, and tell what is on and what is off."""
    states = {one: status(server, one) for one in (*old, new_id)}
    # Only if the server says that an old one is on: rather two that run than none.
    if made and states[new_id] != "DISABLED" and "ENABLED" in [states[one] for one in old]:
        with suppress(Refused):  # what came of it is read below
            disable(server, new_id)
        states = {one: status(server, one) for one in (*old, new_id)}
    told = []
    for state, words in (("ENABLED", "on"), ("DISABLED", "off"), ("", "on or off, not known")):
        names = [
            f"the new one ({one})" if one == new_id else f"the old one ({one})"
            for one, found in states.items()
            if found == state
        ]
        told += [f"{words}: {' and '.join(names)}"] if names else []
    on = sum(state == "ENABLED" for state in states.values())
    advice = "schedule again"
    if on > 1 or "" in states.values():
        advice = f"end them with `towerflow schedules --disable {name}`, then schedule again"
    return f"now {', '.join(told)}; {advice}"


def schedules(server: Server, request: Json) -> Json:
    """The recurring runs of the experiment, after those of one name were disabled."""
    experiment = server.experiment(create=False)
    found = recurring_runs(server, experiment) if experiment else []
    if name := request["disable"]:
        named = [one for one in found if one.display_name == name]
        if not named:
            names = ", ".join(sorted({str(one.display_name) for one in found})) or "none"
            raise Refused(f"--disable {name}: no such schedule; there are: {names}", "mistake")
        for one in named:
            if one.status != "DISABLED":
                disable(server, one.recurring_run_id)
                one.status = "DISABLED"
                tell(f"disabled {one.recurring_run_id}")
    return {
        "schedules": [
            {
                "id": one.recurring_run_id,
                "name": one.display_name,
                "enabled": one.status == "ENABLED",
                "cron": getattr(getattr(one.trigger, "cron_schedule", None), "cron", None) or "",
                "pinned": getattr(one.pipeline_version_reference, "pipeline_version_id", None)
                or "",
            }
            for one in found
        ]
    }


def recurring_runs(server: Server, experiment: str) -> list[Any]:
    """Those of the experiment."""
    return list(
        server.pages(
            "list schedules",
            server.client.recurring_runs.recurring_run_service_list_recurring_runs,
            "recurring_runs",
            experiment_id=experiment,
        )
    )


def disable(server: Server, recurring_run: str) -> None:
    """No new runs; those that run go on, which deleting would end (issue 7421).

    Asked again after a failure that may pass: twice is as once. What counts is the status, since an
    answer may be lost after it was carried out.
    """
    for pause in (*DISABLE_PAUSES, None):
        try:
            server.ask(
                f"disable schedule {recurring_run}",
                server.client.recurring_runs.recurring_run_service_disable_recurring_run,
                recurring_run_id=recurring_run,
            )
            return
        except Refused as error:
            if error.passing and pause is not None:
                time.sleep(pause)
                continue
            found = status(server, recurring_run)
            if found == "DISABLED":
                return
            if found:
                raise
            raise Refused(f"{error}; {UNSURE.format(look='schedules')}", error.kind) from None


def status(server: Server, recurring_run: str) -> str:
    """ENABLED or DISABLED; empty: the server does not say."""
    try:
        found = server.ask(
            f"look at schedule {recurring_run}",
            server.client.recurring_runs.recurring_run_service_get_recurring_run,
            recurring_run_id=recurring_run,
        )
    except Refused:
        return ""
    return str(found.status) if found.status in ("ENABLED", "DISABLED") else ""


def runs(server: Server, request: Json) -> Json:
    """The latest runs of the experiment, with what failed."""
    experiment = server.experiment(create=False)
    wanted = request["pipeline"]
    pipeline = server.pipeline(wanted) if wanted else None
    found: list[Json] = []
    pages = server.pages(
        "list runs",
        server.client.runs.run_service_list_runs,
        "runs",
        experiment_id=experiment,
        sort_by="created_at desc",
    )
    try:
        for run in pages if experiment else ():
            if run.storage_state == "ARCHIVED" or (wanted and not _is_of(run, wanted, pipeline)):
                continue
            found.append(_told(server, run))
            if len(found) == request["limit"]:
                break
    except TooMany as more:
        tell(f"of the experiment's runs only the latest {more.seen:,} were looked at")
    return {"runs": found}


def _told(server: Server, run: Any) -> Json:
    """What the list has of a run."""
    failed = []
    if run.state == "FAILED":
        whole = server.ask(
            "look at a run", server.client.runs.run_service_get_run, run_id=run.run_id
        )
        failed = failed_tasks(whole)
    return {
        "run_id": run.run_id,
        "name": run.display_name,
        "state": str(run.state),
        "created": run.created_at and run.created_at.isoformat(),
        "finished": run.finished_at and run.finished_at.isoformat(),
        "failed": failed,
    }


def failed_tasks(run: Any) -> list[Json]:
    """Name and error of the tasks that failed, without the DAGs that failed by them."""
    failed = [task for task in _tasks(run) if task.state == "FAILED"]
    parents = {task.parent_task_id for task in failed}
    told = [
        {"task": task.display_name, "error": getattr(task.error, "message", None) or ""}
        for task in failed
        if task.task_id not in parents
    ]
    whole = getattr(run.error, "message", None)
    return told or ([{"task": "", "error": whole}] if whole else [])


def _task_states(run: Any) -> dict[str, str]:
    return {
        f"task {task.display_name}": str(task.state) for task in _tasks(run) if task.display_name
    }


def _tasks(run: Any) -> list[Any]:
    return getattr(run.run_details, "task_details", None) or []


def _is_of(run: Any, pipeline: str, pipeline_id: str | None) -> bool:
    reference = getattr(run.pipeline_version_reference, "pipeline_id", None)
    spec = run.pipeline_spec or {}
    name = spec.get("pipeline_spec", spec).get("pipelineInfo", {}).get("name")
    return name == pipeline or (reference is not None and reference == pipeline_id)


def _equal(one: Any, body: Json) -> bool:
    """The same settings by their hash, and the same pipeline; still in the state asked for."""
    ids = one.pipeline_version_reference
    wanted = body["pipeline_version_reference"]
    return (
        one.description == body["description"]
        and one.status == f"{body['mode']}D"
        and ids.pipeline_id == wanted["pipeline_id"]
        and (ids.pipeline_version_id or None) == wanted.get("pipeline_version_id")
    )


def tell(line: str) -> None:
    """A line of progress."""
    print(f"towerflow: {line}", flush=True)


ACTIONS: dict[str, Callable[[Server, Json], Json]] = {
    "upload": upload,
    "submit": submit,
    "schedule": schedule,
    "schedules": schedules,
    "runs": runs,
}


def main(argv: list[str]) -> None:
    """Do what the request says and write the answer."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.server", allow_abbrev=False)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--answer", type=Path, required=True)
    arguments = parser.parse_args(argv)
    logging.disable()  # kfp and urllib3 tell of headers and of every further try
    request = json.loads(arguments.request.read_text("utf-8"))
    try:
        answer = {"result": ACTIONS[request["action"]](Server(request.pop("server")), request)}
    except Refused as error:
        answer = {error.kind: str(error)}
    arguments.answer.write_text(json.dumps(answer), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
