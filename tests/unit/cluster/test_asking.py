"""How the process that asks a server is started, and what comes of its end."""

import sys
from pathlib import Path

import pytest

from towerflow.cluster.asking import Conflict, ServerFailed, ask
from towerflow.cluster.requests import RunsRequest
from towerflow.cluster.server import Server
from towerflow.errors import InputError

SERVER = Server(endpoint="http://localhost:8080")
ANSWER = """for word; do case "$word" in --answer=*) file="${word#--answer=}";; esac; done; """


@pytest.fixture
def told() -> list[str]:
    """The lines of progress."""
    return []


def asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: list[str]
) -> dict[str, object]:
    """The answer of a shell script in place of Python."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return ask(SERVER, RunsRequest(limit=1), told.append)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "exit code -9"),
        ("echo 'header: s3cret' >&2", "header"),
        ("printf 'first\\nRuntimeError: s3cret\\n' >&2; exit 1", "RuntimeError"),
    ],
)
def test_a_process_without_an_answer_broke_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str], script: str, kind: str
) -> None:
    with pytest.raises(ServerFailed) as caught:
        asked(tmp_path, monkeypatch, script, told)
    sentence = f"http://localhost:8080: python -m pipelines.server broke off: {kind}"
    assert str(caught.value) == sentence


def test_variables_of_kfp_are_taken_away_and_lines_of_ours_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://elsewhere")
    monkeypatch.setenv("OTHER", "kept")
    script = (
        'echo "towerflow: ${KF_PIPELINES_ENDPOINT-none} $OTHER"; echo "of kfp"; '
        f'{ANSWER}echo \'{{"result": {{"runs": []}}}}\' > "$file"'
    )
    assert asked(tmp_path, monkeypatch, script, told) == {"runs": []}
    assert told == ["none kept"]


@pytest.mark.parametrize(
    ("kind", "error"), [("mistake", InputError), ("conflict", Conflict), ("failure", ServerFailed)]
)
def test_a_refusal_is_an_error_of_its_kind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
    kind: str,
    error: type[Exception],
) -> None:
    script = f'{ANSWER}echo \'{{"{kind}": "it refused"}}\' > "$file"'
    with pytest.raises(error) as caught:
        asked(tmp_path, monkeypatch, script, told)
    assert type(caught.value) is error
    assert str(caught.value) == "it refused."
