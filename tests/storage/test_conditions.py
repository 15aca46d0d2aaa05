"""A store that takes conditional writes for plain ones is refused, and nothing trusted to it."""

from functools import partial
from typing import Any

import pytest
import s3fs

from tests.storage.conftest import fresh_bucket
from towerflow.errors import InputError
from towerflow.storage.object_store import ABSENT
from towerflow.storage.remote_store import RemoteStore
from towerflow.storage.retrying import RetryPolicy
from towerflow.storage.s3 import S3Requests


@pytest.fixture
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """In a fresh bucket."""
    return f"{fresh_bucket('s3', request, monkeypatch)}/root"


def names(root: str) -> list[str]:
    bucket = root.split("/")[2]
    return s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False).find(bucket)


def deaf(call: Any, method: str, **arguments: Any) -> Any:
    """What a server answers that does not know conditions."""
    return call(method, **{name: arguments[name] for name in arguments.keys() - {"IfNoneMatch"}})


def test_one_that_ignores_them_is_refused_and_left_as_it_was(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = RetryPolicy(deadline=5)
    requests = S3Requests("s3", policy)
    monkeypatch.setattr(requests, "_call", partial(deaf, requests._call))
    with pytest.raises(InputError, match="a store that knows conditional writes"):
        RemoteStore(requests, policy).write_if(f"{root}/current.json", b"{}", ABSENT)
    assert names(root) == []


def test_one_that_knows_them_is_asked_once(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = RetryPolicy(deadline=5)
    requests, asked = S3Requests("s3", policy), []
    call = requests._call

    def counted(method: str, **arguments: Any) -> Any:
        asked.append(method)
        return call(method, **arguments)

    monkeypatch.setattr(requests, "_call", counted)
    store = RemoteStore(requests, policy)
    for name in "ab":
        store.write_if(f"{root}/{name}", b"{}", ABSENT)
    assert (asked.count("put_object"), asked.count("delete_object")) == (2 + 2, 1)
    assert len(names(root)) == 2
