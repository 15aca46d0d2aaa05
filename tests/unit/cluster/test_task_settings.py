"""What a task asks of Kubernetes: refusals, inheritance, and time for every try."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from towerflow.cluster.task_settings import (
    LARGEST_INT32,
    LONGEST_WINDOW,
    OWN_VOLUMES,
    WAIT_FOR_NODE,
    Retries,
    Secret,
    TaskSettings,
    Toleration,
    Volume,
)

ROOT = Path(__file__).parents[3]
HOUR = 3600


def settings(**given: Any) -> TaskSettings:
    """Settings as an environment file has them."""
    return TaskSettings.model_validate(given)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (TaskSettings, {"cpu": "2"}),
        (TaskSettings, {"cpu_request": "2 cores"}),
        (TaskSettings, {"cpu_request": "1.5m"}),
        (TaskSettings, {"memory_limit": "8GB"}),
        (TaskSettings, {"memory_limit": "1.5Gi"}),  # Kubernetes takes it, kfp does not
        (TaskSettings, {"memory_limit": "8K"}),  # the other way round
        (TaskSettings, {"memory_limit": "0"}),
        (TaskSettings, {"shared_memory": "0Gi"}),
        (TaskSettings, {"cpu_limit": "0"}),
        (TaskSettings, {"cpu_request": "0.0"}),
        (TaskSettings, {"timeout_seconds": 0}),
        (TaskSettings, {"timeout_seconds": 2**31}),
        (TaskSettings, {"timeout_seconds": True}),
        (TaskSettings, {"node_selector": {"a" * 64: "l4"}}),
        (TaskSettings, {"node_selector": {f"example.com/{'a' * 64}": "l4"}}),
        (TaskSettings, {"node_selector": {"example..com/gpu": "l4"}}),
        (TaskSettings, {"node_selector": {f"{'a' * 300}/{'b' * 20}": "l4"}}),
        (TaskSettings, {"node_selector": {"gpu type": "l4"}}),
        (TaskSettings, {"node_selector": {"gpu": True}}),
        (Toleration, {"key": "gpu", "operator": "Equal"}),
        (Toleration, {"key": "gpu", "value": "true"}),
        (Toleration, {"key": "gpu", "effect": "NoEntry"}),
        (Retries, {"count": -1}),
        (Retries, {"count": True}),
        (Retries, {"count": 1, "backoff_factor": True}),
        (Retries, {"count": 0, "backoff_seconds": 2**31}),
        (Retries, {"count": 1, "backoff_seconds": 0}),
        (Retries, {"count": 1, "longest_backoff_seconds": 900}),
        (Volume, {"claim": "data.v1", "mount_path": "/data"}),  # its volume would be named so
        (Volume, {"claim": "data", "mount_path": "data"}),
        (Volume, {"claim": "data", "mount_path": "/"}),
        (Volume, {"claim": "data", "mount_path": "/data/"}),
        (Volume, {"claim": "data", "mount_path": "/tmp/../gcs"}),  # noqa: S108
        (Volume, {"claim": "data", "mount_path": "/./gcs"}),
        (Volume, {"claim": "data", "mount_path": "/data/.."}),
        (Secret, {"name": "hub", "variables": {}}),
        (Secret, {"name": "hub", "variables": {"token": "hf-token"}}),
        (Secret, {"name": "hub", "variables": {"to ken": "HF_TOKEN"}}),
        (Secret, {"name": "Hub", "variables": {"token": "HF_TOKEN"}}),
    ],
)
def test_what_kubernetes_or_kfp_would_refuse_is_refused(
    model: type[BaseModel], given: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(given)


@pytest.mark.parametrize("cpu", ["2", "0.5", "500m"])
@pytest.mark.parametrize("memory", ["8Gi", "500M", "1024"])
def test_quantities_are_those_of_kubernetes(cpu: str, memory: str) -> None:
    assert settings(cpu_limit=cpu, memory_limit=memory).contradiction() == ""


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (TaskSettings, {"timeout_seconds": LARGEST_INT32}),
        (TaskSettings, {"cpu_limit": "0.001"}),
        (TaskSettings, {"node_selector": {f"cloud.example.com/{'a' * 63}": "b" * 63}}),
        (TaskSettings, {"node_selector": {"a": ""}}),
        (Volume, {"claim": "data", "mount_path": "/data/.hidden/..a"}),
    ],
)
def test_what_kubernetes_and_kfp_take_is_taken(
    model: type[BaseModel], given: dict[str, Any]
) -> None:
    assert model.model_validate(given).model_dump(exclude_unset=True) == given


def test_volumes_of_the_pipelines_are_known() -> None:
    code = (ROOT / "pipelines" / "cluster.py").read_text("utf-8")
    named = set(re.findall(r'volume_name="(.+?)"', code))
    assert named == {name for name in OWN_VOLUMES if name.startswith("towerflow-")}
    assert set(re.findall(r'mount_path="(.+?)"', code)) == {OWN_VOLUMES[name] for name in named}


VOLUME = {"claim": "data", "mount_path": "/data"}
TOKEN = {"name": "hub", "variables": {"token": "HF_TOKEN"}}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (
            {"cpu_request": "1500m", "cpu_limit": "1"},
            "cpu_request 1500m is more than cpu_limit 1",
        ),
        (
            {"memory_request": "1Gi", "memory_limit": "1G"},
            "memory_request 1Gi is more than memory_limit 1G",
        ),
        (
            {"shared_memory": "3Gi", "memory_limit": "2048Mi"},
            "shared_memory 3Gi is more than memory_limit 2048Mi",
        ),
        ({"retries": {"count": 1}}, "retries, which KFP wants an end for, and no timeout_seconds"),
        ({"volumes": [VOLUME, {**VOLUME, "mount_path": "/more"}]}, "claim data is there 2 times"),
        (
            {"volumes": [VOLUME, {**VOLUME, "claim": "more"}]},
            "mount_path /data is there 2 times",
        ),
        ({"secrets": [TOKEN, {**TOKEN, "name": "other"}]}, "variable HF_TOKEN is there 2 times"),
        (
            {"volumes": [{**VOLUME, "mount_path": "/dev/shm"}]},  # noqa: S108
            "mount_path /dev/shm is taken by a volume that every pod has",
        ),
        (
            {"volumes": [{**VOLUME, "mount_path": "/gcs"}]},
            "mount_path /gcs is taken by a volume that every pod has",
        ),
        *(
            (
                {"volumes": [{**VOLUME, "claim": name}]},
                f"claim {name} is taken by a volume that every pod has",
            )
            for name in ("towerflow-tmp", "towerflow-shared-memory", "gcs-scratch")
        ),
        (
            {"timeout_seconds": 1, "retries": {"count": 20, "backoff_factor": 4}},
            f"retries that with their waits may take {20 * (4**20 - 1) + 21 * (1 + HOUR):,} "
            "seconds, and KFP can tell 9,223,372,036",
        ),
    ],
)
def test_contradictions_are_told(given: dict[str, Any], found: str) -> None:
    assert settings(**given).contradiction() == found


def test_a_limit_may_be_all_that_is_asked_for() -> None:
    assert settings(memory_limit="1Gi", memory_request="1024Mi").contradiction() == ""
    assert settings(memory_limit="1Gi").contradiction() == ""


def test_a_step_takes_from_every_step_what_it_does_not_say() -> None:
    every = settings(cpu_request="2", timeout_seconds=HOUR, caching=False, secrets=[TOKEN])
    own = settings(cpu_request="1", caching=True, secrets=[])
    assert own.over(every) == settings(
        cpu_request="1", timeout_seconds=HOUR, caching=True, secrets=[]
    )


def test_what_fits_alone_may_not_fit_together() -> None:
    every, own = settings(memory_request="8Gi"), settings(memory_limit="4Gi")
    assert every.contradiction() == own.contradiction() == ""
    together = own.over(every).contradiction()
    assert together == "memory_request 8Gi is more than memory_limit 4Gi"


def test_the_window_holds_every_try_and_wait() -> None:
    retries = Retries(count=3, backoff_seconds=60, backoff_factor=2)
    assert retries.window(HOUR) == 4 * (HOUR + WAIT_FOR_NODE) + 60 * (1 + 2 + 4)
    assert Retries(count=0).window(HOUR) == HOUR + WAIT_FOR_NODE


def test_the_window_is_one_that_kfp_can_tell() -> None:
    timeout = LONGEST_WINDOW // 5 - WAIT_FOR_NODE  # five tries, and 75 s between them
    retries = {"count": 4, "backoff_seconds": 5}
    spare = LONGEST_WINDOW - 5 * (timeout + WAIT_FOR_NODE)
    assert spare < 75
    assert settings(timeout_seconds=timeout - 15, retries=retries).contradiction() == ""
    too_long = settings(timeout_seconds=timeout, retries=retries).contradiction()
    assert too_long.startswith("retries that with their waits may take")


@given(
    count=st.integers(0, 20),
    backoff=st.integers(1, HOUR),
    factor=st.integers(1, 4),
    timeout=st.integers(1, 10 * HOUR),
)
def test_one_more_try_widens_the_window_by_more_than_its_time(
    count: int, backoff: int, factor: int, timeout: int
) -> None:
    def window(tries: int) -> int:
        return Retries.model_construct(
            count=tries, backoff_seconds=backoff, backoff_factor=factor
        ).window(timeout)

    assert window(count + 1) - window(count) == timeout + WAIT_FOR_NODE + backoff * factor**count
