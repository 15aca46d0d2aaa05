"""Where the server is, and credentials that are there or not."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from towerflow.cluster.environment import Environment
from towerflow.cluster.server import Server
from towerflow.errors import InputError

# openssl req -x509 -new -key key.pem -subj "/CN=a test" -days 36500
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUIleKy7WH9hQTOewisku0I1I6tNkwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGYSB0ZXN0MCAXDTI2MTEyMjA3NTQxMloYDzIxMjYxMDI5MDc1
NDEyWjARMQ8wDQYDVQQDDAZhIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQcsOGOS/iyyfqdSG9Zj/6c+Bainl96N9n/batqVbozJQFpwXCCBCfcgwbTwtV0
5vCJYhks++lTbGTnIW5u+YYto1MwUTAdBgNVHQ4EFgQUiNz0WeYBSlCDnR03Q3kd
2DByKqIwHwYDVR0jBBgwFoAUiNz0WeYBSlCDnR03Q3kd2DByKqIwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAAvmzjq7llUb0EcOKqUg+X1arPjVmI
6iqJmXXri4TyYAIhAJ73Y+4XmsntNHepIrvZcNdsU2AHfD4lZaWu6p1M4KRG
-----END CERTIFICATE-----
"""
# openssl ca -gencrl: what it revoked, which is nothing.
REVOKED = """\
-----BEGIN X509 CRL-----
MIGXMD8wCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGYSB0ZXN0Fw0yNjExMjIwNzU0
MTJaGA8yMTI2MTAyOTA3NTQxMlowCgYIKoZIzj0EAwIDSAAwRQIgGrhum029YgMf
Wv7CM1/iGP2BL8ljWxKdgxcyB7o79IECIQDlGYnAQOiFrCsoPK6b4CdfAY4U2DjY
v1vXVS0DlCzQkw==
-----END X509 CRL-----
"""


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
        {"endpoint": "https://localhost:99999"},
        {"endpoint": "https://localhost:0"},
        {"endpoint": "https://localhost:"},
        {"endpoint": "http://..foo"},
        {"endpoint": "http://kubeflow..example.com"},
        {"endpoint": "http://.:80"},
        {"endpoint": f"http://{'a' * 64}.example.com"},
        {"endpoint": "http://[1:1]/x"},
        {"endpoint": "http://[::1::2]"},
        {"endpoint": "http://[10.0.0.1]"},
        {"auth": {"kind": "token-file", "path": "~nobody-of-that-name/token"}},
        {"timeout_seconds": 0},
        {"timeout_seconds": True},
        {"timeout_seconds": 24 * 3600 + 1},
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
        "http://[2001:db8::1]",
        "https://localhost:65535",
        f"https://{'a' * 63}.example.com./pipeline",
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


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("auth: {kind: iap, client_id: a, other_client_secret: s3cret}", "iap.other_client_secret"),
        (
            "auth: {kind: iap, client_id: a, other_client_secret_variable: s3cret}",
            "iap.other_client_secret_variable",
        ),
        ("auth: {kind: token-file, token: s3cret}", "token-file.path"),
        ("auth: {kind: token-file, path: [s3cret]}", "token-file.path"),
        ("auth: {kind: token-file, path: ~s3cret/token}", "token-file.path"),
        ("auth: {token: s3cret}", ""),
        ("auth: [s3cret]", ""),
        ("auth: s3cret", ""),
    ],
)
def test_a_secret_in_the_wrong_place_is_told_nobody(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"description: x\nserver: {{endpoint: 'http://localhost', {text}}}\n")
    with pytest.raises(InputError) as caught:
        Environment.read(path)
    place = f"server.auth.{field}".removesuffix(".")
    assert f": {place}: expected an environment (docs/kubeflow.md), found " in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_kind_of_login_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "description: x\nserver: {endpoint: 'http://localhost', auth: {kind: password}}\n"
    )
    with pytest.raises(InputError, match=r"'password' .* 'none', 'token-file', 'cookie-file'"):
        Environment.read(path)


@pytest.mark.parametrize("kind", ["token-file", "in-cluster", "cookie-file"])
def test_paths_may_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret").write_text("a=b")
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    found = server(auth={"kind": kind, "path": "~/secret"}, ca_file="~/ca.pem")
    found.check_credentials({})
    # As what asks the server gets it, which expands nothing.
    whole = found.model_dump(mode="json")
    assert whole["auth"]["path"] == f"{tmp_path}/secret"
    assert whole["ca_file"] == f"{tmp_path}/ca.pem"


@pytest.mark.parametrize("kind", ["token-file", "in-cluster"])
@pytest.mark.parametrize("content", ["abc.def-123", "abc\n", "  abc  "])
def test_a_token(tmp_path: Path, kind: str, content: str) -> None:
    (tmp_path / "token").write_text(content)
    server(auth={"kind": kind, "path": tmp_path / "token"}).check_credentials({})


@pytest.mark.parametrize("kind", ["token-file", "in-cluster", "cookie-file"])
@pytest.mark.parametrize("content", ["", "a\nb=c", "a\rb=c", "ä=b", "a\x00=b"])
def test_what_cannot_go_into_a_header(tmp_path: Path, kind: str, content: str) -> None:
    (tmp_path / "secret").write_text(content, "utf-8", newline="")
    with pytest.raises(InputError) as caught:
        server(auth={"kind": kind, "path": tmp_path / "secret"}).check_credentials({})
    assert not content or content not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="found no text"):
        server(auth={"kind": "token-file", "path": tmp_path / "token"}).check_credentials({})


def test_cookies_may_have_spaces(tmp_path: Path) -> None:
    (tmp_path / "cookies").write_text("a=b; c=d")
    server(auth={"kind": "cookie-file", "path": tmp_path / "cookies"}).check_credentials({})


def test_a_ca_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"server.ca_file\), found No such file"):
        server(ca_file=tmp_path / "ca.pem").check_credentials({})
    with pytest.raises(InputError, match=r"server.ca_file"):
        server(ca_file=tmp_path).check_credentials({})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a token",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\x00\xff",
        pytest.param(REVOKED.encode(), id="revoked"),
    ],
)
def test_a_ca_that_is_no_certificate(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(InputError, match=r"a CA in PEM \(server.ca_file\), found no certificate"):
        server(ca_file=tmp_path / "ca.pem").check_credentials({})


def test_the_secret_of_iap_is_a_variable() -> None:
    auth = {"kind": "iap", "client_id": "x", "other_client_secret_variable": "APP_SECRET"}
    with pytest.raises(InputError, match="APP_SECRET: expected the secret"):
        server(auth=auth).check_credentials({})
    server(auth=auth).check_credentials({"APP_SECRET": "x"})
    server(auth={"kind": "iap", "client_id": "x"}).check_credentials({})
