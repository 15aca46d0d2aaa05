"""docs/ci: what the examples call is there, and nothing is published that was not tested."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from towerflow.cli import app
from towerflow.cluster.environment import Environment
from towerflow.cluster.server import TokenFile

ROOT: Final = Path(__file__).parents[2]
GITHUB: Final = ROOT / "docs" / "ci" / "github-actions.yml"
CLOUD_BUILD: Final = ROOT / "docs" / "ci" / "cloudbuild.yaml"
CHECKS: Final = ("lint", "test", "compile", "golden")
# What Cloud Build sets for a push to main.
MAIN: Final = {
    **{"BRANCH": "main", "PULL_REQUEST": "", "REGISTRY": "r", "AUDIENCE": "iap"},
    "BUILD": "7bd1e6a5-3f2c",
}
PLACEHOLDER: Final = re.compile(r"example\.com/towerflow-(cpu|gpu)@sha256:0{64}")

both = pytest.mark.parametrize("path", [GITHUB, CLOUD_BUILD], ids=lambda path: path.stem)


def read(path: Path) -> Any:
    document = yaml.safe_load(path.read_text("utf-8"))
    # YAML 1.1 reads the key `on` as true.
    return {"on" if key is True else key: value for key, value in document.items()}


def scripts(path: Path) -> list[str]:
    """What is run, in this order."""
    document = read(path)
    if "jobs" not in document:
        return [step["script"] for step in document["steps"]]
    jobs = document["jobs"]
    assert list(jobs) == ["check", "publish"]
    steps = [*jobs["check"]["steps"], *jobs["publish"]["steps"]]
    return [step["run"] for step in steps if "run" in step]


def commands(path: Path) -> list[list[str]]:
    """Every call of make and towerflow, as words."""
    lines = [line for script in scripts(path) for line in script.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    called = [shlex.split(part) for part in parts if re.match(r"(\S*/)?(make|towerflow) ", part)]
    return [[words[0].rpartition("/")[2], *words[1:]] for words in called]


@both
def test_each_target_is_in_the_makefile_and_takes_its_variables(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for words in commands(path):
        if words[0] == "make":
            assert words[1] in targets
            for variable in words[2:]:
                assert f"$({variable.partition('=')[0]}" in makefile, variable


@both
def test_each_command_is_one_of_towerflow_and_takes_its_options(path: Path) -> None:
    group = typer.main.get_command(app)
    called = [words for words in commands(path) if words[0] == "towerflow"]
    assert called
    for _, name, *rest in called:
        command = group.commands[name]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known


@both
def test_images_are_made_and_a_version_is_uploaded_after_all_checks(path: Path) -> None:
    names = [words[1] for words in commands(path)]
    first = {name: names.index(name) for name in (*CHECKS, "images", "push", "upload")}
    assert max(first[name] for name in CHECKS) < first["images"] < first["push"]
    # Nothing is built for a server that does not know us.
    assert max(first[name] for name in CHECKS) < names.index("runs") < first["images"]
    compiled = [number for number, name in enumerate(names) if name == "compile"]
    assert first["push"] < compiled[-1] < first["upload"] == len(names) - 1
    assert "git diff --exit-code tests/pipelines/golden" in "\n".join(scripts(path))


@both
def test_each_login_is_the_file_of_the_environment_and_is_new(path: Path) -> None:
    """A token of an hour may be over once images are built."""
    auth = Environment.read(ROOT / "environments" / "prod.yaml").server.auth  # type: ignore[union-attr]
    assert isinstance(auth, TokenFile)
    assert not auth.path.is_relative_to(ROOT)
    text = "\n".join(scripts(path))
    written = {Path(name).expanduser() for name in re.findall(r"<\(echo .*\) (\S+)", text)}
    assert written == {auth.path}
    login = r"^\s*(?:install -D --mode 600 <\(echo .*|login)$"
    calls = re.findall(rf"{login}|towerflow (?:runs|upload)", text, re.MULTILINE)
    calls = calls[-4:]  # before these the function of Cloud Build
    assert [calls[1], calls[3]] == ["towerflow runs", "towerflow upload"]
    assert calls[0].strip() == calls[2].strip() != ""


@both
def test_environments_and_files_that_are_named_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    assert set(re.findall(r"--env (\w+)|ENV=(\w+)", text)) == {("prod", ""), ("", "prod")}
    for name in re.findall(r"(?:environments|tests)/[\w/.]*\w|constraints\.txt", text):
        assert (ROOT / name).exists(), name


@both
def test_scripts_are_bash(path: Path) -> None:
    for script in scripts(path):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@both
def test_there_is_no_secret_and_nothing_that_could_be_one(path: Path) -> None:
    text = PLACEHOLDER.sub("", path.read_text("utf-8"))
    assert not re.search(r"secrets\.|BEGIN|password|api_key|credentials_json|secretEnv", text)
    assert not re.search(
        r"[A-Za-z0-9+/_-]{40,}", re.sub(r"projects/\S+|http://metadata\S+", "", text)
    )


def run_stubbed(script: str, folder: Path, variables: dict[str, str]) -> list[str]:
    """How a script calls towerflow where all that it calls does nothing, and the commit is abc."""
    there = folder / "programs"
    there.mkdir(exist_ok=True)
    for name, does in (("git", "echo abc"), *((one, ":") for one in ("make", "curl", "apt-get"))):
        (there / name).write_text(f"#!/bin/sh\n{does}\n")
    program = folder / ".venv/bin/towerflow"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text('#!/bin/sh\necho "$@" >> called\n')
    for path in (*there.iterdir(), program):
        path.chmod(0o755)
    (folder / "build").mkdir(exist_ok=True)
    (folder / "build/images.env").touch()
    (folder / "called").unlink(missing_ok=True)
    environment = {"PATH": f"{there}:/usr/bin:/bin", "HOME": str(folder), **variables}
    subprocess.run(["/bin/bash", "-ec", script], cwd=folder, env=environment, check=True)
    return (folder / "called").read_text().splitlines()


@pytest.mark.parametrize(
    ("path", "first", "second", "names"),
    [
        (
            GITHUB,
            {"TOKEN": "x", "GITHUB_RUN_NUMBER": "57", "GITHUB_RUN_ATTEMPT": "1"},
            {"GITHUB_RUN_ATTEMPT": "2"},
            ["abc-57.1", "abc-57.2"],
        ),
        (
            CLOUD_BUILD,
            MAIN,
            {"BUILD": "09aa41c2-3f2c"},
            ["abc-7bd1e6a5", "abc-09aa41c2"],
        ),
    ],
    ids=["github-actions", "cloudbuild"],
)
def test_a_repeated_build_makes_a_version_of_another_name(
    tmp_path: Path, path: Path, first: dict[str, str], second: dict[str, str], names: list[str]
) -> None:
    """Its images have other digests, and a version cannot be replaced."""
    script = scripts(path)[-1]
    for variables, name in zip((first, first | second), names, strict=True):
        upload = run_stubbed(script, tmp_path, variables)[-1]
        assert upload == f"upload --env prod --version {name}"


def test_github_grants_little_and_publishes_from_main_alone() -> None:
    document = read(GITHUB)
    assert document["permissions"] == {"contents": "read"}
    assert document["on"] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert "github.ref" in document["concurrency"]["group"]
    check, publish = document["jobs"]["check"], document["jobs"]["publish"]
    assert "permissions" not in check
    assert publish["permissions"] == {"contents": "read", "id-token": "write"}
    assert publish["needs"] == "check"
    assert publish["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    for job in (check, publish):
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"])
            # An expression in a script would be run as part of it.
            assert "${{" not in step.get("run", "")


def run_publish(branch: str, pull_request: str, folder: Path, path: str = "") -> str:
    """What the script of the last step says where nothing that it calls is there."""
    [script] = [step["script"] for step in read(CLOUD_BUILD)["steps"] if step["id"] == "publish"]
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env={
            **MAIN,
            **{"BRANCH": branch, "PULL_REQUEST": pull_request},
            **{"PATH": path, "HOME": str(folder)},
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.returncode} {done.stdout.strip()}"


def test_cloud_build_publishes_from_main_alone(tmp_path: Path) -> None:
    nothing = "0 not on main: nothing is published"
    assert run_publish("feature", "", tmp_path) == nothing
    assert run_publish("main", "7", tmp_path) == nothing  # of a fork
    assert run_publish("main", "", tmp_path) == "127 "
    assert not list(tmp_path.iterdir())
    steps = read(CLOUD_BUILD)["steps"]
    assert [step["id"] for step in steps] == [*CHECKS, "publish"]
    assert not any("waitFor" in step for step in steps)  # one after the other


def test_cloud_build_logs_in_before_it_makes_anything(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "curl").write_text('#!/bin/sh\necho "token of $4"\n')
    (programs / "make").write_text("#!/bin/sh\nexit 9\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    assert run_publish("main", "", tmp_path, f"{programs}:/usr/bin:/bin") == "9 "
    token = tmp_path / ".config/towerflow/prod-token"
    assert token.read_text().endswith("/identity?audience=iap&format=full\n")
    assert token.stat().st_mode & 0o777 == 0o600
