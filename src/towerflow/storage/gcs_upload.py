"""Large uploads to Google Cloud Storage: a session that takes an object piece by piece.

A piece whose answer is lost is sent again; the server passes over what it has. See
https://cloud.google.com/storage/docs/performing-resumable-uploads.
"""

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import requests

from towerflow.errors import StorageError
from towerflow.storage.checksums import Content
from towerflow.storage.object_store import Conflict
from towerflow.storage.retrying import TRANSIENT_STATUS, RetryPolicy, Transient

PIECE: Final = 16 * 2**20  # bytes; the protocol wants a multiple of 256 KiB
_RESUME: Final = 308  # "Resume Incomplete", Google's own meaning of the number

Send = Callable[[dict[str, str], bytes], requests.Response]


class SessionLost(Exception):  # noqa: N818 (no error: an answer)
    """The server knows the session no longer: it is over, or gone with all that was sent."""


def send_in_pieces(send: Send, path: str, content: Content, policy: RetryPolicy) -> dict[str, Any]:
    """Send all of `content`, which is not empty, into a session.

    Args:
        send: puts headers and a body to the session's address; raises Transient.
        path: the object, for messages.
        content: what is sent.
        policy: of each piece.

    Returns:
        What the server says of the object.

    Raises:
        SessionLost: all has to be sent again, unless it is there.
        Conflict: the object is no longer of the generation that the session asked for.
        StorageError: a fault outlasted the policy.
    """
    start = 0
    while True:
        answer = policy.run("write", path, partial(_send_piece, send, path, content, start))
        if answer.status_code != _RESUME:
            stored: dict[str, Any] = answer.json()
            return stored
        start = _received(answer)


def _send_piece(send: Send, path: str, content: Content, start: int) -> requests.Response:
    piece = content.piece(start, start + PIECE)
    span = f"bytes {start}-{start + len(piece) - 1}/{content.size}"
    answer = send({"Content-Range": span}, piece)
    status = answer.status_code
    if status in (HTTPStatus.OK, HTTPStatus.CREATED, _RESUME):
        return answer
    message = f"{status} {answer.text[:200]}"
    if status in TRANSIENT_STATUS or (status == HTTPStatus.BAD_REQUEST and "crc32c" in message):
        raise Transient(message)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise SessionLost(message)
    if status == HTTPStatus.PRECONDITION_FAILED:
        raise Conflict(path)
    raise StorageError(path, operation="write", fault=message)


def _received(answer: requests.Response) -> int:
    """How many bytes the server has."""
    span = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
    return int(span[1]) + 1 if span else 0
