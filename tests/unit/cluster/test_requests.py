"""What is asked of the server, in its own words."""

import json
from pathlib import Path

import pytest
import yaml

from towerflow.cluster.cron import Cron
from towerflow.cluster.parameters import CompiledPipeline
from towerflow.cluster.requests import (
    ScheduleRequest,
    schedule_request,
    submit_request,
    upload_request,
)
from towerflow.cluster.server import Server

CACHED = {"cachingOptions": {"enableCache": True}}
DAG = {"dag": {"tasks": {"read": CACHED}}}
SERVER = Server(endpoint="http://kfp.example", namespace="team", experiment="nightly")


def compiled(tmp_path: Path, *platform: object) -> CompiledPipeline:
    """A pipeline with a loop in it, whose tasks are cached."""
    spec = {"pipelineInfo": {"name": "small"}, "root": DAG, "components": {"loop": DAG}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump_all([spec, *platform]), "utf-8")
    return CompiledPipeline.read(tmp_path / "small.yaml")


def schedule(pipeline: CompiledPipeline, **changes: object) -> ScheduleRequest:
    settings = {
        "name": "nightly",
        "cron": Cron.parse("@daily"),
        "version": None,
        "catch_up": False,
        "enabled": True,
        "arguments": {"seed": 1},
        "server": SERVER,
        **changes,
    }
    return schedule_request(compiled=pipeline, **settings)  # type: ignore[arg-type]


def test_equal_schedules_have_equal_descriptions(tmp_path: Path) -> None:
    pipeline = compiled(tmp_path)
    assert schedule(pipeline) == schedule(pipeline)


@pytest.mark.parametrize(
    "changes",
    [
        {"cron": Cron.parse("@hourly")},
        {"arguments": {"seed": 2}},
        {"version": "v1"},
        {"catch_up": True},
        {"enabled": False},
        {"server": SERVER.model_copy(update={"service_account": "trainer"})},
        {"server": SERVER.model_copy(update={"pipeline_root": "gs://bucket"})},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_setting_is_in_the_description(tmp_path: Path, changes: dict[str, object]) -> None:
    pipeline = compiled(tmp_path)
    before, after = schedule(pipeline), schedule(pipeline, **changes)
    assert before.body["description"] != after.body["description"]


def test_no_cache_reaches_the_tasks_of_loops(tmp_path: Path) -> None:
    pipeline = compiled(tmp_path)
    sent = {}
    for caching in (True, False):
        request = submit_request(
            SERVER, pipeline, {}, run_name="x", version=None, uploaded=False, caching=caching
        )
        sent[caching] = json.dumps(request.body).count("enableCache")
    assert sent == {True: 2, False: 0}
    assert json.dumps(pipeline.spec).count("enableCache") == 2


def test_both_documents_are_sent_by_name(tmp_path: Path) -> None:
    pipeline = compiled(tmp_path, {"platforms": {}})
    request = submit_request(SERVER, pipeline, {}, run_name="x", version=None, uploaded=False)
    assert request.body["pipeline_spec"] == {
        "pipeline_spec": pipeline.spec,
        "platform_spec": {"platforms": {}},
    }


def test_what_the_server_decides_is_left_out(tmp_path: Path) -> None:
    request = submit_request(
        SERVER, compiled(tmp_path), {}, run_name="x", version=None, uploaded=True
    )
    assert request.body == {
        "display_name": "x",
        "experiment_id": "<id of experiment nightly>",
        "runtime_config": {"parameters": {}},
        "pipeline_version_reference": {"pipeline_id": "<id of pipeline small>"},
    }


def test_another_package_has_another_description(tmp_path: Path) -> None:
    pipeline = compiled(tmp_path)
    package = tmp_path / "small.yaml"
    first = upload_request(pipeline, package, "v1")
    package.write_text(package.read_text("utf-8") + "# more\n", "utf-8")
    assert upload_request(pipeline, package, "v1").description != first.description
