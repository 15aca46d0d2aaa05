"""Which local folders the containers of a run see; that they run is shown in tests/containers."""

import inspect
from pathlib import Path

import pytest
from kfp.local import docker_task_handler

from pipelines.compiling import PIPELINES, pipeline
from pipelines.containers import READ, WRITTEN, Containers, _local
from towerflow.cluster.environment import Environment


def shown(read: list[Path], written: list[Path], security: list[str]) -> dict[str, str]:
    """Mode by path."""
    containers = Containers(Environment(description="A test's."), security)
    containers.show(read, written)
    assert all(one["bind"] == path for path, one in containers.folders.items())
    return {path: one["mode"] for path, one in containers.folders.items()}


def test_local_files_folders_and_the_folders_above_globs_are_found() -> None:
    arguments = {
        "items": "/data/items.jsonl",
        "interactions": "/data/logs/*/day-?.parquet",
        "encoder": "gs://models/encoder",
        "release_root": "/releases",
        "embedding_store": "gs://store",
        "prompt": "/not a path",
        "num_shards": 2,
    }
    assert _local(arguments, READ) == [Path("/data/items.jsonl"), Path("/data/logs")]
    assert _local(arguments, WRITTEN) == [Path("/releases")]


@pytest.mark.parametrize("name", PIPELINES)
def test_what_is_mounted_are_parameters(name: str) -> None:
    parameters = pipeline(name).pipeline_spec.root.input_definitions.parameters
    mentioned = {*READ, *WRITTEN} & set(parameters)
    assert mentioned >= {"items", "interactions", "encoder", "embedding_store"}
    if name == "retrain":
        assert mentioned == {*READ, *WRITTEN}


def test_inputs_are_read_only_and_roots_are_writable() -> None:
    read, written = [Path("/data")], [Path("/releases")]
    assert shown(read, written, []) == {"/data": "ro", "/releases": "rw"}
    labelled = {"/data": "ro,z", "/releases": "rw,z"}
    assert shown(read, written, ["name=selinux"]) == labelled


@pytest.mark.parametrize(
    ("security", "caller", "user"),
    [
        (["name=seccomp"], 1001, "1001:100"),
        (["name=seccomp"], 0, "65532:65532"),
        (["name=rootless"], 1001, "0:0"),
    ],
)
def test_containers_are_the_caller_but_never_root(
    security: list[str], caller: int, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But where Docker itself is not root: there 0 is the caller."""
    monkeypatch.setattr("os.getuid", lambda: caller)
    monkeypatch.setattr("os.getgid", lambda: 100)
    assert Containers(Environment(description="A test's."), security).user == user


def test_kfp_still_calls_what_is_replaced_and_in_the_same_way() -> None:
    theirs = inspect.signature(docker_task_handler.run_docker_container)
    ours = inspect.signature(Containers.run)
    assert list(theirs.parameters)[:4] == list(ours.parameters)[1:5]
    called = inspect.getsource(docker_task_handler.DockerTaskHandler.run)
    assert "= run_docker_container(" in called
