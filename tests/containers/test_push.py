"""What is pushed under which name, and what is not pushed at all."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "0a" * 32
# Takes the place of Docker's command line: notes what it is asked, and has one image by digest, in
# two registries.
DOCKER = f"""#!/bin/sh
echo "$@" >> {{asked}}
case "$1" in
  push) echo "digest: {DIGEST}" ;;
  image) printf 'elsewhere/towerflow-cpu@{DIGEST}\\nr.example.com/team/towerflow-cpu@{DIGEST}\\n' ;;
esac
[ "$2" != towerflow-gpu:0123 ]
"""


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """What Docker was asked, a line each."""
    file = tmp_path / "asked"
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(asked=file), "utf-8")
    docker.chmod(0o755)
    file.touch()
    return file


def push(asked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with that Docker."""
    return subprocess.run(
        [sys.executable, str(ROOT / "containers" / "push.py"), *arguments],
        env={"PATH": f"{asked.parent}:/bin:/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_image_is_pushed_by_commit_and_written_by_digest(asked: Path) -> None:
    done = push(asked, "r.example.com/team/", "0123", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "# of commit 0123",
        f"TOWERFLOW_CPU_IMAGE=r.example.com/team/towerflow-cpu@{DIGEST}",
    ]
    assert asked.read_text("utf-8").splitlines()[:2] == [
        "tag towerflow-cpu:0123 r.example.com/team/towerflow-cpu:0123",
        "push r.example.com/team/towerflow-cpu:0123",
    ]


def test_an_image_that_got_no_digest_is_told(asked: Path) -> None:
    done = push(asked, "r.example.com/team", "0123", "beam")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "docker push r.example.com/team/towerflow-beam:0123 ended well, "
        "but Docker knows no digest of it"
    )


@pytest.mark.parametrize(
    ("registry", "revision", "sentence"),
    [
        ("", "0123", "REGISTRY is missing"),
        ("r.example.com/team", "0123-dirty", "named by its commit"),
        ("r.example.com/team", "unknown", "named by its commit"),
    ],
)
def test_what_cannot_be_named_is_not_pushed(
    asked: Path, registry: str, revision: str, sentence: str
) -> None:
    done = push(asked, registry, revision, "cpu")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert asked.read_text("utf-8") == ""


def test_a_registry_whose_name_docker_shortens_stays_in_the_name(asked: Path) -> None:
    docker = asked.parent / "docker"
    text = docker.read_text("utf-8").replace("r.example.com/team", "team")
    docker.write_text(text, "utf-8")
    done = push(asked, "hub.example.com/team", "0123", "cpu")
    assert f"=hub.example.com/team/towerflow-cpu@{DIGEST}\n" in done.stdout


def test_an_unknown_image_and_a_missing_docker_are_told(asked: Path) -> None:
    assert "expected some of cpu, gpu, beam, found tpu" in push(asked, "r", "0123", "tpu").stderr
    (asked.parent / "docker").unlink()
    found = subprocess.run(
        [sys.executable, str(ROOT / "containers" / "push.py"), "r", "0123", "cpu"],
        env={"PATH": str(asked.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stderr == "there is no docker on this machine\n"


def test_a_push_that_fails_is_told_and_ends_it(asked: Path) -> None:
    done = push(asked, "r.example.com/team", "0123", "gpu", "cpu")
    assert done.returncode == 1
    assert "docker tag towerflow-gpu:0123" in done.stderr
    assert "Traceback" not in done.stderr
    assert "TOWERFLOW" not in done.stdout
