"""Where the server is, and credentials that are there or not."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from towerflow.cluster.environment import Environment
from towerflow.cluster.server import Server
from towerflow.errors import InputError


def server(**settings: Any) -> Server:
    return Server.model_validate({"endpoint": "https://kubeflow.example.com/pipeline", **settings})


@pytest.mark.parametrize("endpoint", ["https://a.example/pipeline", "https://a.example/pipeline/"])
def test_links_into_the_ui(endpoint: str) -> None:
    link = server(endpoint=endpoint).link("runs/details/1")
    assert link == "https://a.example/pipeline/#/runs/details/1"


@pytest.mark.parametrize(
    "settings",
    [
        {"endpoint": "kubeflow.example.com"},
        {"endpoint": "https://me:s3cret@kubeflow.example.com/pipeline"},
        {"endpoint": "https://me@kubeflow.example.com"},
        {"endpoint": "https://me:s3/cret@kubeflow.example.com"},
        {"endpoint": "https://kubeflow.example.com?token=s3cret"},
        {"endpoint": "https://kubeflow.example.com/pipeline#/runs"},
        {"endpoint": "https://kubeflow.example.com:port"},
        {"auth": {"kind": "token-file", "path": "~nobody-of-that-name/token"}},
        {"timeout_seconds": 0},
        {"auth": {"kind": "password"}},
        {"auth": {"kind": "token-file"}},
        {"auth": {"kind": "none", "token": "x"}},
        {"namespace": "Team"},
        {"token": "x"},
    ],
)
def test_what_is_unknown_or_wrong_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        server(**settings)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost:8080",
        "http://[::1]:8080/",
        "https://ml_pipeline.kubeflow/apis/@me",
        "http://10.0.0.1:80/pipeline",
    ],
)
def test_endpoints(endpoint: str) -> None:
    assert server(endpoint=endpoint).endpoint == endpoint


def test_a_login_in_the_endpoint_is_told_nobody(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "description: x\nserver: {endpoint: 'https://me:s3c/r@t@kubeflow.example.com'}\n"
    )
    with pytest.raises(InputError) as caught:
        Environment.read(path)
    assert "server.endpoint" in str(caught.value)
    assert "found 'https://***@kubeflow.example.com'" in str(caught.value)


@pytest.mark.parametrize("kind", ["token-file", "in-cluster", "cookie-file"])
def test_paths_may_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret").write_text("a=b")
    (tmp_path / "ca.pem").write_text("")
    found = server(auth={"kind": kind, "path": "~/secret"}, ca_file="~/ca.pem")
    found.check_credentials()
    # As what asks the server gets it, which expands nothing.
    whole = found.model_dump(mode="json")
    assert whole["auth"]["path"] == f"{tmp_path}/secret"
    assert whole["ca_file"] == f"{tmp_path}/ca.pem"


@pytest.mark.parametrize("kind", ["token-file", "in-cluster"])
@pytest.mark.parametrize("content", ["abc.def-123", "abc\n", "  abc  "])
def test_a_token(tmp_path: Path, kind: str, content: str) -> None:
    (tmp_path / "token").write_text(content)
    server(auth={"kind": kind, "path": tmp_path / "token"}).check_credentials()


@pytest.mark.parametrize("kind", ["token-file", "in-cluster", "cookie-file"])
@pytest.mark.parametrize("content", ["", "a\nb=c", "a\rb=c", "ä=b", "a\x00=b"])
def test_what_cannot_go_into_a_header(tmp_path: Path, kind: str, content: str) -> None:
    (tmp_path / "secret").write_text(content, "utf-8", newline="")
    with pytest.raises(InputError) as caught:
        server(auth={"kind": kind, "path": tmp_path / "secret"}).check_credentials()
    assert not content or content not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="found no text"):
        server(auth={"kind": "token-file", "path": tmp_path / "token"}).check_credentials()


def test_cookies_may_have_spaces(tmp_path: Path) -> None:
    (tmp_path / "cookies").write_text("a=b; c=d")
    server(auth={"kind": "cookie-file", "path": tmp_path / "cookies"}).check_credentials()


def test_a_ca_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"server.ca_file"):
        server(ca_file=tmp_path / "ca.pem").check_credentials()


def test_the_secret_of_iap_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = {"kind": "iap", "client_id": "x", "other_client_secret_variable": "APP_SECRET"}
    with pytest.raises(InputError, match="APP_SECRET: expected the secret"):
        server(auth=auth).check_credentials()
    monkeypatch.setenv("APP_SECRET", "x")
    server(auth=auth).check_credentials()
    server(auth={"kind": "iap", "client_id": "x"}).check_credentials()
