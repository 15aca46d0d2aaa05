"""Requests to Google Cloud Storage, by its own client with the client's own retries switched off.

Those would hide that an answer was lost, and resume a broken download without checking it.
"""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud import storage
from requests.adapters import HTTPAdapter

from towerflow.errors import InputError, StorageError
from towerflow.storage.checksums import CRC32C, Checksum, Content
from towerflow.storage.gcs_upload import SessionLost, send_in_pieces
from towerflow.storage.object_requests import (
    WRITE_TAG,
    Gone,
    ObjectInfo,
    missing_bucket,
    refused,
    split,
)
from towerflow.storage.object_store import ABSENT, Conflict
from towerflow.storage.retrying import TRANSIENT_STATUS, RetryPolicy, Transient

_PAGE: Final = 1000  # objects; the most that Google gives
_ONE_REQUEST: Final = 8 * 2**20  # bytes; more go up in a resumable session
_CONNECTIONS: Final = 64  # more threads than that wait for nobody, but reconnect each time
_BROKEN: Final = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.JSONDecodeError,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    TransportError,
)
_READ: Final = "storage.objects.get"
_LIST: Final = "storage.objects.list"
_WRITE: Final = "storage.objects.create, and storage.objects.delete to overwrite"
_DELETE: Final = "storage.objects.delete"


class GcsRequests:
    """ObjectRequests to Google Cloud Storage, or to what STORAGE_EMULATOR_HOST names.

    Raises:
        InputError: there are no credentials.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        try:
            self._client = storage.Client(project=None)
        except DefaultCredentialsError as error:
            raise InputError(
                "gs://",
                expected="Google credentials",
                found="none",
                hint="run 'gcloud auth application-default login' or use a service account",
            ) from error
        # Google's documented way to have more than ten connections at once.
        for scheme in ("https://", "http://"):
            self._client._http.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def info(self, path: str) -> ObjectInfo | None:
        """See ObjectRequests."""
        try:
            with _told(path, _READ):
                blob = self._blob(path)
                blob.reload(timeout=self._policy.timeouts, retry=None)
                return _info(path, blob)
        except Gone:
            return None

    def page(self, prefix: str, token: str) -> tuple[list[ObjectInfo], str]:
        """See ObjectRequests."""
        bucket, start = split(prefix)
        try:
            with _told(prefix, _LIST):
                listing = self._client.list_blobs(
                    bucket,
                    prefix=start,
                    page_token=token or None,
                    page_size=_PAGE,
                    timeout=self._policy.timeouts,
                    retry=None,
                )
                blobs = list(next(listing.pages, ()))
                found = [_info(f"gs://{bucket}/{blob.name}", blob) for blob in blobs]
                return found, listing.next_page_token or ""
        except Gone as gone:
            raise missing_bucket(prefix) from gone

    def read(self, info: ObjectInfo, start: int, end: int) -> bytes:
        """See ObjectRequests."""
        with _told(info.path, _READ):
            content: bytes = self._blob(info.path, info.generation).download_as_bytes(
                start=start,
                end=end - 1,
                raw_download=True,  # as it is stored, whatever its Content-Encoding says
                single_shot_download=True,
                checksum=None,  # only known of the whole; the store compares it
                timeout=self._policy.timeouts,
                retry=None,
            )
        if len(content) != end - start:
            raise Transient(f"{len(content)} bytes came instead of {end - start}")
        return content

    def put(self, path: str, content: Content, generation: str, tag: str) -> ObjectInfo:
        """See ObjectRequests."""
        blob = self._blob(path)
        blob.metadata = {WRITE_TAG: tag}
        # The server refuses other bytes than these.
        blob.crc32c = content.checksum(CRC32C).value
        condition = int(generation) if generation != ABSENT else 0
        try:
            with _told(path, _WRITE):
                if content.size > _ONE_REQUEST:
                    return self._put_in_pieces(blob, path, content, condition)
                blob.upload_from_string(
                    content.piece(0, content.size),
                    content_type="application/octet-stream",
                    if_generation_match=condition,
                    checksum=None,
                    timeout=self._policy.timeouts,
                    retry=None,
                )
                return _info(path, blob)
        except Gone as gone:
            raise missing_bucket(path) from gone
        except SessionLost as lost:
            raise Transient("the server forgot the upload") from lost

    def delete(self, info: ObjectInfo) -> None:
        """See ObjectRequests."""
        try:
            with _told(info.path, _DELETE):
                self._blob(info.path).delete(
                    if_generation_match=int(info.generation),
                    timeout=self._policy.timeouts,
                    retry=None,
                )
        except Conflict as conflict:
            raise Gone(info.path) from conflict

    def _blob(self, path: str, generation: str = ABSENT) -> storage.Blob:
        bucket, name = split(path)
        return self._client.bucket(bucket).blob(
            name, generation=int(generation) if generation != ABSENT else None
        )

    def _put_in_pieces(
        self, blob: storage.Blob, path: str, content: Content, condition: int
    ) -> ObjectInfo:
        session = blob.create_resumable_upload_session(
            content_type="application/octet-stream",
            size=content.size,
            if_generation_match=condition,
            checksum=None,
            timeout=self._policy.timeouts,
            retry=None,
        )

        def send(headers: dict[str, str], piece: bytes) -> requests.Response:
            with _told(path, _WRITE):
                # The session's address is its own permission: no credentials are sent.
                return requests.put(
                    session, data=piece, headers=headers, timeout=self._policy.timeouts
                )

        stored = send_in_pieces(send, path, content, self._policy)
        blob._set_properties(stored)
        return _info(path, blob)


def _info(path: str, blob: storage.Blob) -> ObjectInfo:
    return ObjectInfo(
        path=path,
        bytes=int(blob.size),
        generation=str(blob.generation),
        checksum=Checksum(CRC32C, blob.crc32c) if blob.crc32c else Checksum("", ""),
        tag=(blob.metadata or {}).get(WRITE_TAG, ""),
    )


@contextmanager
def _told(path: str, permission: str) -> Iterator[None]:
    """The client's exceptions in the words of ObjectRequests."""
    try:
        yield
    except _BROKEN as error:
        raise Transient(f"{type(error).__name__}: {error}") from error
    except GoogleAuthError as error:
        if error.retryable:
            raise Transient(str(error)) from error
        raise refused(path, f"credentials that were refused ({error})", permission) from error
    except GoogleAPICallError as error:
        raise _translated(path, permission, error) from error


def _translated(path: str, permission: str, error: Any) -> Exception:
    code, message = int(error.code), str(error.message)
    if code in TRANSIENT_STATUS or (code == 400 and _is_about_checksum(message)):
        return Transient(f"{code} {message}")
    if code == 412:
        return Conflict(path)
    if code == 404:
        bucket_is_missing = "bucket does not exist" in message.lower()
        return missing_bucket(path) if bucket_is_missing else Gone(path)
    if code in (401, 403):
        return refused(path, f"{code} {message}", permission)
    if code == 400:
        return InputError(path, expected="what the store accepts", found=message)
    return StorageError(path, operation="work with", fault=f"{code} {message}")


def _is_about_checksum(message: str) -> bool:
    return any(word in message.lower() for word in ("crc32c", "md5", "checksum"))
