"""What a server repeats of what it was sent is hidden, whenever and however it was sent."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp.client import auth as kfp_auth

from pipelines.server_api import SAID, Refused, Server
from tests.cluster.kfp_server import Fault, KfpServer

TOKEN = "t0ken-0f-g00gle"  # noqa: S105


@pytest.fixture(autouse=True)
def no_limit() -> Iterator[None]:
    """A Server limits every socket of its process."""
    yield
    socket.setdefaulttimeout(None)


def connected(kfp: KfpServer, **auth: Any) -> Server:
    return Server(
        {
            "endpoint": kfp.url,
            "namespace": "team",
            "experiment": "nightly",
            "auth": auth,
            "ca_file": None,
            "timeout_seconds": 5,
        }
    )


def told(server: Server) -> str:
    """The sentence of a request that is refused."""
    with pytest.raises(Refused) as caught:
        server.pipeline("retrain")
    return str(caught.value)


def test_the_token_of_iap(kfp: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kfp_auth, "get_auth_token", lambda *_: (TOKEN, False))
    server = connected(kfp, kind="iap", client_id="x")
    kfp.required_header = ("authorization", "another")
    error = told(server)
    assert kfp.received[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "Unauthenticated: Bearer ***" in error
    assert TOKEN not in error


@pytest.mark.parametrize(
    ("kind", "sent", "renewed"),
    [
        ("token-file", "0ld-t0ken", "new-t0ken"),
        ("cookie-file", "session=0ld-t0ken", "session=new-t0ken"),
    ],
)
def test_what_was_renewed_between_request_and_error(
    kfp: KfpServer, tmp_path: Path, kind: str, sent: str, renewed: str
) -> None:
    path = tmp_path / "secret"
    path.write_text(sent)
    server = connected(kfp, kind=kind, path=str(path))
    asked = server.client.pipelines.pipeline_service_list_pipelines

    def renewing(**given: Any) -> Any:
        try:
            return asked(**given)
        finally:
            path.write_text(renewed)

    kfp.faults = [Fault("GET", 401, message="0ld-t0ken is over, unlike new-t0ken")]
    with pytest.raises(Refused, match=r"\*\*\* is over, unlike \*\*\*"):
        server.ask("look", renewing)


def test_short_values_of_cookies_are_words_of_the_sentence_too(
    kfp: KfpServer, tmp_path: Path
) -> None:
    path = tmp_path / "cookies"
    path.write_text("lang=e; theme=session; session=0ld-t0ken; part=0ld-t0ken-and-more")
    kfp.faults = [Fault("GET", 401, message="session 0ld-t0ken or 0ld-t0ken-and-more expired")]
    assert "session *** or *** expired; log in" in told(
        connected(kfp, kind="cookie-file", path=str(path))
    )


def test_a_token_at_the_place_where_the_sentence_is_cut(kfp: KfpServer, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    kfp.faults = [Fault("GET", 401, message="x" * (SAID - 5) + TOKEN)]
    assert "x***; put" in told(connected(kfp, kind="token-file", path=str(path)))
