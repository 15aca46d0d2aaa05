"""What Docker's command line says of an image, and what a user is told of it."""

from pathlib import Path

import pytest

from towerflow.docker_images import image_ids
from towerflow.errors import InputError


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Takes the place of Docker's command line, and does what is written to it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "docker"


def answers(docker: Path, script: str) -> None:
    """Let the command do that."""
    docker.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    docker.chmod(0o755)


def test_images_become_their_ids(docker: Path) -> None:
    answers(docker, 'echo "sha256:$5"')  # docker image inspect --format {{.Id}} <image>
    assert image_ids({"A": "one:1", "B": "two:2"}) == {"A": "sha256:one:1", "B": "sha256:two:2"}


def test_an_image_that_is_not_there_is_named_with_the_way_to_it(docker: Path) -> None:
    answers(docker, 'echo "Error: No such image: $5" >&2; exit 1')
    with pytest.raises(InputError, match=r"one:1: expected an image .* make images builds it"):
        image_ids({"A": "one:1"})


def test_a_daemon_that_does_not_run_is_told(docker: Path) -> None:
    answers(docker, 'echo "Cannot connect to the Docker daemon" >&2; exit 1')
    with pytest.raises(InputError, match="a running Docker daemon, found Cannot connect"):
        image_ids({"A": "one:1"})


def test_a_machine_without_docker_is_told(docker: Path) -> None:
    with pytest.raises(InputError, match="expected Docker on this machine, found none"):
        image_ids({"A": "one:1"})
