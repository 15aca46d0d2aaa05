"""A version is named by its commit."""

import re
import subprocess
from pathlib import Path

import pytest

from towerflow.cluster.versions import MADE_OF, commit_version
from towerflow.errors import InputError


def git(*arguments: str) -> str:
    """Output of git in the current folder, as nobody in particular."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    done = subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    return tmp_path


def test_the_commit_in_short_and_whether_files_differ(checkout: Path) -> None:
    commit = committed(checkout)
    assert commit_version() == commit
    (checkout / "src" / "file").write_text("b")
    assert commit_version() == f"{commit}-dirty"


def committed(checkout: Path) -> str:
    """The name of a first commit."""
    (checkout / "src").mkdir()
    (checkout / "src" / "file").write_text("a")
    git("add", "src")
    git("commit", "--quiet", "--message", "first")
    return git("rev-parse", "HEAD")[:12]


def test_what_is_in_no_version_may_lie_beside_it(checkout: Path) -> None:
    commit = committed(checkout)
    for name in ("gha-creds-1.json", "docs", "tests"):
        (checkout / name).write_text("x")
    assert commit_version() == commit


@pytest.mark.parametrize("name", MADE_OF)
def test_a_new_file_of_a_version_differs_seen_from_any_folder(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    commit = committed(checkout)
    monkeypatch.chdir(checkout / "src")
    assert commit_version() == commit
    is_folder = name.islower() and "." not in name
    file = checkout / name / "new" if is_folder else checkout / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("x")
    assert commit_version() == f"{commit}-dirty"


def test_images_are_named_by_the_same_files() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text("utf-8")
    [in_image] = re.findall(r"^IN_IMAGE := (.*)$", makefile, re.MULTILINE)
    assert {*in_image.split(), "environments"} == set(MADE_OF)
    assert "rev-parse --short=12 HEAD" in makefile


def test_no_commit_is_no_name(checkout: Path) -> None:
    with pytest.raises(InputError, match="--version: expected a git checkout with a commit"):
        commit_version()


def test_no_git_is_no_name(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(InputError, match="found no git on PATH"):
        commit_version()
