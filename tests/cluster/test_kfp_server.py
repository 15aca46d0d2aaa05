"""The stand-in itself: it refuses what the published schema does not have."""

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kfp_schema import SchemaError, check, check_package
from tests.cluster.kfp_server import KfpServer

API = "/apis/v2beta1"


def post(kfp: KfpServer, path: str, body: Any) -> tuple[int, str]:
    """Status and message of a request."""
    request = urllib.request.Request(  # noqa: S310
        f"{kfp.url}{API}{path}",
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["message"]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/experiments", {"name": "x"}, "body.name is not a field of V2beta1Experiment"),
        ("/experiments", {"display_name": 1}, "body.display_name is not str"),
        ("/experiments", [], "body is not V2beta1Experiment"),
        ("/runs", {"pipeline_id": "1"}, "body.pipeline_id is not a field of V2beta1Run"),
        ("/runs", {"runtime_config": {"params": {}}}, "body.runtime_config.params is not a field"),
        ("/runs", {"experiment_id": "none"}, "experiment none not found"),
        ("/recurringruns", {"mode": "ENABLED"}, "body.mode is not one of"),
        ("/recurringruns", {"max_concurrency": 1}, "body.max_concurrency is not str"),
        ("/recurringruns", {"no_catchup": "true"}, "body.no_catchup is not bool"),
        ("/recurringruns", {"trigger": {"cron": "x"}}, "body.trigger.cron is not a field"),
        ("/recurringruns", {"enabled": True}, "body.enabled is not a field"),
    ],
)
def test_wrong_bodies_are_refused(kfp: KfpServer, path: str, body: Any, told: str) -> None:
    status, message = post(kfp, path, body)
    assert status == 400
    assert told in message


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/experiments?name=x", 400, "list_experiments has no query parameter name"),
        ("/experiments?filter=%7B%22where%22%3A%201%7D", 400, "filter.where is not a field"),
        ("/jobs", 404, "Not Found"),
        ("/runs/run-9", 404, "Run run-9 not found"),
    ],
)
def test_wrong_questions_are_refused(kfp: KfpServer, path: str, status: int, told: str) -> None:
    found, message = post(kfp, path, None)
    assert (found, told in message) == (status, True), message


def test_a_package_is_read_with_the_official_protobufs(packages: list[Path]) -> None:
    text = packages[0].read_text("utf-8")
    check_package(text)
    with pytest.raises(SchemaError, match="no field named"):
        check_package(text.replace("pipelineInfo:", "pipelineInformation:"))


def test_every_type_of_the_schema() -> None:
    check({"int_value": 1, "operation": "EQUALS"}, "V2beta1Predicate", "x")
    check({"start_time": "2026-01-01T00:00:00+00:00"}, "V2beta1CronSchedule", "x")
    check({"a": "b"}, "dict(str, str)", "x")
    for value, kind in (
        (True, "int"),
        ("1", "int"),
        ({}, "list[str]"),
        ({"a": 1}, "dict(str, str)"),
    ):
        with pytest.raises(SchemaError):
            check(value, kind, "x")
