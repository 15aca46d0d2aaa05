"""The image that `make test-containers` built, and the Docker that runs it."""

import os
from collections.abc import Iterator
from typing import Any

import docker
import pytest

IMAGE = "TOWERFLOW_TEST_IMAGE"


@pytest.fixture(scope="session")
def image() -> str:
    """Name of the image."""
    if not (name := os.environ.get(IMAGE)):
        pytest.skip(f"no {IMAGE}: make test-containers builds one and runs these")
    return name


@pytest.fixture(scope="session")
def client(image: str) -> Iterator[Any]:
    """Docker; that it does not run is no reason to skip what was asked for."""
    found = docker.from_env(timeout=600)
    assert found.ping()
    yield found
    found.close()


def run_held(client: Any, image: str, *command: str) -> str:
    """What a command prints in a container that is held as a restricted pod is."""
    printed: bytes = client.containers.run(
        image,
        list(command),
        remove=True,
        stderr=True,
        network_mode="none",
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},  # noqa: S108
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    return printed.decode()
