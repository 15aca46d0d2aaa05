"""Logins, refusals and broken networks: one sentence each, no secret, nothing done twice."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import PARAMS, Cli, WriteEnvironment, failed, passed
from tests.cluster.kfp_server import Fault, KfpServer

SECRET = "s3cr3t-t0k3n"  # noqa: S105
SUBMIT = ("submit", "--pipeline", "retrain", *PARAMS)
RUNS = "POST /apis/v2beta1/runs"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file for credentials."""
    path = tmp_path / "secret.txt"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.mark.parametrize("kind", ["token-file", "in-cluster"])
def test_a_token_is_sent_and_told_nobody(
    cli: Cli, kfp: KfpServer, write_environment: WriteEnvironment, secret: Path, kind: str
) -> None:
    env = write_environment(f"{{kind: {kind}, path: {secret}}}")
    kfp.required_header = ("authorization", f"Bearer {SECRET}")
    told = passed(cli(*SUBMIT, env=env)) + passed(cli(*SUBMIT, "--dry-run", env=env))
    assert SECRET not in told
    secret.write_text("expired")
    told = failed(cli("runs", env=env), 1)
    assert "does not know who asks (401)" in told
    assert str(secret) in told
    assert "expired" not in told  # although the server repeats what it got


def test_cookies_are_sent_and_told_nobody(
    cli: Cli, kfp: KfpServer, write_environment: WriteEnvironment, secret: Path
) -> None:
    cookies = f"authservice_session={SECRET}; other=1"
    secret.write_text(cookies)
    env = write_environment(f"{{kind: cookie-file, path: {secret}}}")
    kfp.required_header = ("cookie", cookies)
    passed(cli("runs", env=env))
    kfp.required_header = None
    message = f"session {SECRET} is over"
    kfp.faults = [Fault("GET", 401, message=message)]
    told = failed(cli("runs", env=env), 1)
    assert "session *** is over" in told
    assert "log in with a browser and copy its cookies into" in told


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("token-file", None, "found No such file or directory"),
        ("in-cluster", None, "found No such file or directory"),
        ("cookie-file", None, "found No such file or directory"),
        ("token-file", " \n", "found an empty file"),
        ("token-file", "two\nlines", "found other characters or lines"),
        ("token-file", "Bearer x", "found other characters or lines"),
        ("cookie-file", "# Netscape HTTP Cookie File\na\tb", "found other characters or lines"),
        ("cookie-file", "no-cookie", "expected cookies as name=value"),
        ("token-file", "tökén", "found other characters or lines"),
    ],
)
def test_credentials_that_are_none(
    cli: Cli,
    kfp: KfpServer,
    write_environment: WriteEnvironment,
    tmp_path: Path,
    kind: str,
    content: str | None,
    told: str,
) -> None:
    path = tmp_path / "credentials"
    if content is not None:
        path.write_text(content)
    error = failed(cli("runs", env=write_environment(f"{{kind: {kind}, path: {path}}}")), 2)
    assert error.startswith(f"error: {path}: expected")
    assert told in error
    assert content is None or content.strip() not in error or not content.strip()
    assert kfp.received == []


def test_iap_without_its_secret_or_a_google_account(
    cli: Cli, write_environment: WriteEnvironment, tmp_path: Path
) -> None:
    auth = "{kind: iap, client_id: x, other_client_id: y, other_client_secret_variable: MY_SECRET}"
    env = write_environment(auth)
    assert "MY_SECRET: expected the secret of the IAP client" in failed(cli("runs", env=env), 2)
    # kfp asks for a code on the terminal, which a pipeline of CI does not have.
    variables = {"MY_SECRET": SECRET, "HOME": str(tmp_path)}
    told = failed(cli("runs", env=env, variables=variables), 1)
    assert "cannot log in with iap" in told
    assert SECRET not in told


def test_a_server_that_wants_a_login(cli: Cli, kfp: KfpServer) -> None:
    kfp.required_header = ("authorization", "anything")
    told = failed(cli("runs"), 1)
    assert "server.auth is none, but it wants a login" in told


@pytest.mark.parametrize("what", ["page", "redirect"])
def test_a_login_page_is_no_answer(cli: Cli, kfp: KfpServer, what: str) -> None:
    kfp.faults = [Fault("GET", what)]
    assert "page" in failed(cli("runs"), 1)
    kfp.faults = [Fault(RUNS, what)]
    assert "page" in failed(cli(*SUBMIT), 1)
    assert kfp.runs == {}


def test_an_unknown_namespace(cli: Cli, write_environment: WriteEnvironment) -> None:
    told = failed(cli("runs", env=write_environment(namespace="nobodys")), 1)
    assert "in namespace nobodys (403)" in told
    assert "can make this account a contributor" in told


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, 2, "refused to create a run (400): told to fail."),
        (403, 1, "may not create a run in namespace team (403)"),
        (404, 2, "found nothing to create a run (404)"),
        (409, 1, "there is one already (409), cannot create a run"),
        (500, 1, "(500 Internal Server Error): told to fail; whether it was done is not known"),
        (503, 1, "look with `towerflow runs` before you repeat it."),
    ],
)
def test_refusals(cli: Cli, kfp: KfpServer, status: int, code: int, told: str) -> None:
    kfp.faults = [Fault(RUNS, status)]
    assert told in failed(cli(*SUBMIT), code)
    # A run is never asked for twice: the first may have been made.
    assert sum(one.path.endswith("/runs") for one in kfp.received) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("what", "told"), [("hang", "Read timed out"), ("break", "Connection aborted"), (503, "503")]
)
def test_a_run_is_not_doubled(cli: Cli, kfp: KfpServer, what: str | int, told: str) -> None:
    kfp.faults = [Fault(RUNS, what, done=True)]
    error = failed(cli(*SUBMIT), 1)
    assert told in error
    assert "look with `towerflow runs` before you repeat it" in error
    assert len(kfp.runs) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", [429, 502, 503, 504, "break", "hang"])
def test_what_only_reads_is_tried_again(cli: Cli, kfp: KfpServer, what: str | int) -> None:
    kfp.faults = [Fault("GET .*/experiments", what, times=2)]
    passed(cli("runs"))
    assert sum(one.path.endswith("/experiments") for one in kfp.received) == 3


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_answers(cli: Cli, kfp: KfpServer) -> None:
    kfp.faults = [Fault("GET", "hang")]
    told = failed(cli("runs"), 1)
    assert "no answer when asked to look for experiment nightly" in told
    assert "Read timed out. (read timeout=2)" in told


def test_nobody_listens(cli: Cli, write_environment: WriteEnvironment) -> None:
    with socket.socket() as taken:  # so that nobody else does
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = failed(cli("runs", env=write_environment(endpoint=endpoint)), 1)
    assert "no answer" in told
    assert "Connection refused" in told
    assert "not known" not in told


def test_tls_that_is_none(cli: Cli, kfp: KfpServer, write_environment: WriteEnvironment) -> None:
    env = write_environment(endpoint=kfp.url.replace("http:", "https:"))
    assert "no answer when asked to" in failed(cli("runs", env=env), 1)


def test_a_wrong_path_of_the_endpoint(
    cli: Cli, kfp: KfpServer, write_environment: WriteEnvironment
) -> None:
    env = write_environment(endpoint=f"{kfp.url}/wrong")
    assert "(404): Not Found; see server.endpoint too" in failed(cli("runs", env=env), 2)


def test_the_context_of_another_cluster_is_left_alone(
    cli: Cli, kfp: KfpServer, tmp_path: Path
) -> None:
    context = tmp_path / ".config/kfp/context.json"
    context.parent.mkdir(parents=True)
    written = f'{{"namespace": "elsewhere", "client_authentication_cookie": "{SECRET}"}}'
    context.write_text(written)
    variables = {"HOME": str(tmp_path), "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID": "another"}
    passed(cli("runs", variables=variables))
    assert context.read_text() == written
    [one] = kfp.received  # and no question after its health
    assert one.query["namespace"] == "team"
    assert "cookie" not in one.headers


def test_no_traceback_and_no_secret_of_a_whole_process(
    kfp: KfpServer, write_environment: WriteEnvironment, secret: Path
) -> None:
    env = write_environment(f"{{kind: token-file, path: {secret}}}")
    kfp.faults = [Fault("GET", 401, message=f"invalid token Bearer {SECRET}")]
    done = subprocess.run(
        [sys.executable, "-m", "towerflow", "runs", "--env", str(env)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: http://127.0.0.1")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


def test_our_own_mistakes_quote_nothing(
    cli: Cli, write_environment: WriteEnvironment, secret: Path
) -> None:
    """A process that breaks off tells the kind of error: its text may quote a header."""
    env = write_environment(f"{{kind: token-file, path: {secret}}}")
    broken = secret.parent / "kfp"
    broken.mkdir()
    (broken / "__init__.py").write_text(f"raise RuntimeError('header {SECRET}')")
    told = failed(cli("runs", env=env, variables={"PYTHONPATH": str(secret.parent)}), 1)
    assert told.endswith("python -m pipelines.server broke off: RuntimeError")


def test_a_version_that_another_uploaded_meanwhile(cli: Cli, kfp: KfpServer) -> None:
    kfp.faults = [Fault("POST .*upload_version", 409)]
    done = cli("upload", "--pipeline", "retrain", "--version", "v1")
    assert "version v1 of retrain is another on the server" in failed(done, 1)
    assert "there is one already (409), cannot upload version v1" in done.output
    # What was done is taken up again.
    kfp.faults = []
    passed(cli("upload", "--pipeline", "retrain", "--version", "v1"))
    assert len(kfp.pipelines) == 1
