"""Stores behind a proxy that breaks a fifth of all requests: nothing lost, doubled or corrupt."""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import s3fs

from tests.storage.conftest import gcs_client, use_gcs, use_s3
from tests.storage.fault_proxy import STATUS, Fault, FaultProxy
from towerflow.errors import InputError, StorageError
from towerflow.storage.gcs import GcsRequests
from towerflow.storage.object_store import ABSENT, Conflict, unheard
from towerflow.storage.remote_store import RemoteStore
from towerflow.storage.retrying import RetryPolicy
from towerflow.storage.s3 import S3Requests

THREADS = 8
SMALL = 2_000  # bytes at most
PIECE = 256 * 2**10  # bytes; in place of the real ones, so that many requests make an object
LARGE = 3 * PIECE
QUICK = RetryPolicy(
    deadline=300, first_delay=0.01, longest_delay=0.2, connect_timeout=2, read_timeout=0.7
)
BRIEF = RetryPolicy(deadline=0.8, first_delay=0.01, longest_delay=0.1)
BUSY_MACHINE = 10  # seconds that a process may be kept waiting


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumable uploads, parts and ranges of objects that a test can afford."""
    monkeypatch.setattr("towerflow.storage.gcs._ONE_REQUEST", PIECE)
    monkeypatch.setattr("towerflow.storage.gcs_upload.PIECE", PIECE)
    monkeypatch.setattr("towerflow.storage.s3_upload.PART", PIECE)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", PIECE)
    monkeypatch.setattr("towerflow.storage.remote_store._CHUNK", PIECE)


@dataclass
class Bucket:
    """A fresh bucket on a server, seen through a proxy."""

    root: str
    proxy: FaultProxy
    store: Callable[[RetryPolicy], RemoteStore]
    contents: Callable[[], dict[str, bytes]]


@pytest.fixture
def gcs(gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Of fake-gcs-server."""
    name = f"bucket-{uuid4().hex[:12]}"
    client = gcs_client(gcs_server)
    client.create_bucket(name)
    proxy = FaultProxy(gcs_server)

    def contents() -> dict[str, bytes]:
        blobs = client.list_blobs(name)
        return {f"gs://{name}/{blob.name}": blob.download_as_bytes() for blob in blobs}

    with proxy.running() as url:
        use_gcs(monkeypatch, url)
        make = lambda policy: RemoteStore(GcsRequests(policy), policy)  # noqa: E731
        yield Bucket(f"gs://{name}/root", proxy, make, contents)


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Of moto."""
    name = f"bucket-{uuid4().hex[:12]}"
    proxy = FaultProxy(s3_server)
    with proxy.running() as url:
        use_s3(monkeypatch, s3_server)
        files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
        files.mkdir(f"/{name}")

        def contents() -> dict[str, bytes]:
            return {f"s3://{path}": files.cat_file(path) for path in files.find(name)}

        use_s3(monkeypatch, url)
        make = lambda policy: RemoteStore(S3Requests("s3", policy), policy)  # noqa: E731
        yield Bucket(f"s3://{name}/root", proxy, make, contents)


@dataclass
class Worker:
    """Does random things to objects that only it writes, and knows what they must hold."""

    store: RemoteStore
    folder: str
    local: Path
    random: random.Random
    holds: dict[str, bytes] = field(default_factory=dict)
    done: int = 0

    def work(self, num_operations: int) -> None:
        """So many operations, each checked."""
        operations = [self.write] * 4 + [self.write_if] * 3 + [self.read] * 3 + [self.stream] * 2
        operations += [self.upload, self.download, self.list, self.delete]
        for _ in range(num_operations):
            self.random.choice(operations)(f"{self.folder}/{self.random.randrange(6)}")
            self.done += 1

    def write(self, path: str) -> None:
        content = self.bytes(SMALL)
        self.store.write(path, content)
        self.holds[path] = content

    def write_if(self, path: str) -> None:
        content = self.bytes(SMALL)
        before = self.store.read(path, LARGE)
        assert before.content == self.holds.get(path, b"")
        assert (before.generation == ABSENT) == (path not in self.holds)
        self.store.write_if(path, content, before.generation)
        if content != before.content:
            with pytest.raises(Conflict):
                self.store.write_if(path, b"too late", before.generation)
        self.holds[path] = content

    def read(self, path: str) -> None:
        assert self.store.read(path, LARGE).content == self.holds.get(path, b"")
        assert self.store.size(path) == (len(self.holds[path]) if path in self.holds else None)

    def stream(self, path: str) -> None:
        if path not in self.holds:
            with pytest.raises(FileNotFoundError):
                self.store.open(path)
            return
        with self.store.open(path) as file:
            assert file.read() == self.holds[path]

    def upload(self, path: str) -> None:
        content = self.bytes(LARGE)
        self.local.write_bytes(content)
        self.store.upload(self.local, path, unheard)
        self.holds[path] = content

    def download(self, path: str) -> None:
        self.local.unlink(missing_ok=True)
        if path in self.holds:
            self.store.download(path, self.local, unheard)
            assert self.local.read_bytes() == self.holds[path]

    def list(self, _: str) -> None:
        found = {file.path: file.bytes for file in self.store.find(self.folder)}
        assert found == {path: len(content) for path, content in self.holds.items()}

    def delete(self, path: str) -> None:
        self.store.delete(path)
        self.holds.pop(path, None)

    def bytes(self, most: int) -> bytes:
        return self.random.randbytes(self.random.randrange(most))


def run(bucket: Bucket, folder: Path, num_operations: int) -> None:
    """Spread operations over threads, then compare every object behind the proxy's back."""
    store = bucket.store(QUICK)
    workers = [
        Worker(store, f"{bucket.root}/{n}", folder / f"{n}", random.Random(n))
        for n in range(THREADS)
    ]
    start = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda worker: worker.work(num_operations // THREADS), workers))
    seconds = time.monotonic() - start
    proxy = bucket.proxy
    share = proxy.injected.total() / proxy.requests
    print(
        f"{sum(w.done for w in workers)} operations, {proxy.requests} requests, {share:.1%} faults"
    )
    print(f"{seconds:.1f} s", dict(proxy.injected))
    assert sum(worker.done for worker in workers) == num_operations
    assert bucket.contents() == {
        path: content for worker in workers for path, content in worker.holds.items()
    }
    assert 0.15 < share < 0.25
    assert set(proxy.injected) == set(Fault), "every kind happened"


@pytest.mark.usefixtures("small_pieces")
def test_a_thousand_operations_on_gcs_lose_double_and_damage_nothing(
    gcs: Bucket, tmp_path: Path
) -> None:
    run(gcs, tmp_path, 1000)


@pytest.mark.usefixtures("small_pieces")
def test_nor_do_those_on_s3(s3: Bucket, tmp_path: Path) -> None:
    run(s3, tmp_path, 320)


@pytest.mark.parametrize("server", ["gcs", "s3"])
def test_writers_of_one_object_neither_lose_nor_double_an_entry(
    server: str, request: pytest.FixtureRequest
) -> None:
    bucket: Bucket = request.getfixturevalue(server)
    # Neither server checks what it takes: others would read damaged bytes before they are mended.
    bucket.proxy.faults = tuple(fault for fault in Fault if fault != Fault.BAD_UPLOAD)
    store, path = bucket.store(QUICK), f"{bucket.root}/log"

    def append(entry: int) -> None:
        while True:
            before = store.read(path, SMALL)
            entries = before.content.decode().split()
            if str(entry) in entries:  # written by a try whose answer was lost and then built upon
                return
            try:
                content = " ".join([*entries, str(entry)]).encode()
                store.write_if(path, content, before.generation)
                return
            except Conflict:
                continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(40)))
    assert sorted(bucket.contents()[path].split(), key=int) == [b"%d" % n for n in range(40)]


@pytest.mark.parametrize("server", ["gcs", "s3"])
@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.RESET])
def test_what_never_ends_is_one_clear_error(
    server: str, fault: Fault, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bucket: Bucket = request.getfixturevalue(server)
    bucket.proxy.rate, bucket.proxy.faults = 1, (fault,)
    store, path = bucket.store(BRIEF), f"{bucket.root}/x"
    for attempt in (
        lambda: store.write(path, b"x"),
        lambda: store.write_if(path, b"x", ABSENT),
        lambda: store.find(f"{path}*"),
    ):
        start = time.monotonic()
        with pytest.raises(
            StorageError, match=rf"{bucket.root}.* given up after \d+ tries"
        ) as told:
            attempt()
        assert time.monotonic() - start < BRIEF.deadline + BUSY_MACHINE
        assert str(STATUS.get(fault, "")) in str(told.value)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("server", ["gcs", "s3"])
def test_damage_that_stays_is_an_error_and_leaves_no_file(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bucket: Bucket = request.getfixturevalue(server)
    store, path = bucket.store(BRIEF), f"{bucket.root}/x"
    bucket.proxy.rate = 0
    store.write(path, os.urandom(1_000_000))
    bucket.proxy.rate, bucket.proxy.faults = 1, (Fault.BAD_ANSWER,)
    with pytest.raises(StorageError, match="not what the store says"):
        store.download(path, tmp_path / "x", unheard)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="not what the store says"):
        store.read(path, 2_000_000)
    with store.open(path) as file, pytest.raises(StorageError, match="not what the store says"):
        file.read()
    with store.open(path) as file, pytest.raises(StorageError, match="not what the store says"):
        while file.read(100_000):
            pass
    bucket.proxy.faults = (Fault.BAD_UPLOAD,)
    with pytest.raises(StorageError, match="took other bytes than were sent"):
        store.write(path, b"x")


def test_a_store_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    use_gcs(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="gs://b/x: could not look up it"):
        RemoteStore(GcsRequests(BRIEF), BRIEF).size("gs://b/x")
    use_s3(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="s3://b/x: could not look up it"):
        RemoteStore(S3Requests("s3", BRIEF), BRIEF).size("s3://b/x")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("server", ["gcs", "s3"])
def test_who_may_not_is_told_what_it_takes(
    server: str, status: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket: Bucket = request.getfixturevalue(server)
    bucket.proxy.rate, bucket.proxy.faults = 1, (Fault.UNAVAILABLE,)
    monkeypatch.setitem(STATUS, Fault.UNAVAILABLE, status)
    with pytest.raises(InputError, match=r"access to bucket .* needs s"):
        bucket.store(BRIEF).size(f"{bucket.root}/x")
    assert bucket.proxy.requests == 1, "no use in asking again"


@pytest.mark.usefixtures("small_pieces")
def test_without_our_checks_the_run_would_fail(
    gcs: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towerflow.storage.checksums.Checksum.matches", lambda *_: True)
    with pytest.raises(AssertionError):
        run(gcs, tmp_path, 400)
