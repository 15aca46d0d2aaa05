"""Requests to S3 and what speaks its protocol, by s3fs with its and botocore's retries off.

Those would hide that an answer was lost. Stores that keep no CRC32C are checked by the MD5 that
they give as ETag.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

import aiohttp
import botocore.exceptions
import s3fs
from botocore.session import Session
from fsspec.asyn import sync

from towerflow.errors import InputError, StorageError
from towerflow.storage import s3_upload
from towerflow.storage.checksums import CRC32C, MD5, Content
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
from towerflow.storage.s3_checksums import CRC32C_TAG, stored_checksum
from towerflow.storage.s3_upload import put_in_parts

MINIO_OF_KFP: Final = "http://minio-service.kubeflow:9000"  # where KFP's pods find its own store
# None of TRANSIENT_STATUS, but passing: a body that came damaged or late, two writes at once.
_PASSING: Final = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InvalidDigest",
        "OperationAborted",
        "RequestTimeout",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
_CREDENTIALS: Final = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.ProfileNotFound,
)
_PAGE: Final = 1000  # objects; the most that S3 gives
_READ: Final = "s3:GetObject and s3:ListBucket"
_LIST: Final = "s3:ListBucket"
_WRITE: Final = "s3:PutObject"
_DELETE: Final = "s3:DeleteObject"

Answer = Mapping[str, Any]


class S3Requests:
    """ObjectRequests to S3, or to the endpoint that botocore's configuration names.

    Args:
        scheme: "s3", or "minio", which is KFP's own store where no endpoint is configured.
        policy: its timeouts.
    """

    def __init__(self, scheme: str, policy: RetryPolicy) -> None:
        self._scheme = scheme
        self._policy = policy
        self._conditional: set[str] = set()  # buckets that were found to know conditional writes
        self._files = s3fs.S3FileSystem(
            endpoint_url=MINIO_OF_KFP if scheme == "minio" and not _has_endpoint() else None,
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": policy.connect_timeout,
                "read_timeout": policy.read_timeout,
                "retries": {"total_max_attempts": 1},
                # Ours are sent always; botocore's own come as trailers, which old MinIO refuses.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        )
        self._files.retries = 1

    def info(self, path: str) -> ObjectInfo | None:
        """See ObjectRequests."""
        try:
            answer = self._call("head_object", path=path, permission=_READ, ChecksumMode="ENABLED")
        except Gone:
            return None
        return _info(path, answer, int(answer["ContentLength"]))

    def page(self, prefix: str, token: str) -> tuple[list[ObjectInfo], str]:
        """See ObjectRequests."""
        bucket, start = split(prefix)
        more = {"ContinuationToken": token} if token else {}
        with _told(prefix, _LIST):
            answer = self._files.call_s3(
                "list_objects_v2", Bucket=bucket, Prefix=start, MaxKeys=_PAGE, **more
            )
        found = [
            _info(f"{self._scheme}://{bucket}/{entry['Key']}", entry, int(entry["Size"]))
            for entry in answer.get("Contents", ())
        ]
        return found, answer.get("NextContinuationToken", "")

    def read(self, info: ObjectInfo, start: int, end: int) -> bytes:
        """See ObjectRequests."""
        try:
            with _told(info.path, _READ):
                content: bytes = sync(self._files.loop, self._body, info, start, end)
        except Conflict as conflict:
            raise Gone(info.path) from conflict
        if len(content) != end - start:
            raise Transient(f"{len(content)} bytes came instead of {end - start}")
        return content

    def put(self, path: str, content: Content, generation: str, tag: str) -> ObjectInfo:
        """See ObjectRequests."""
        self._require_conditions(path)
        condition = {"IfNoneMatch": "*"} if generation == ABSENT else {"IfMatch": generation}
        metadata = {WRITE_TAG: tag, CRC32C_TAG: content.checksum(CRC32C).value}
        call = partial(self._call, path=path, permission=_WRITE)
        try:
            if content.size > s3_upload.PART:
                answer = put_in_parts(call, path, content, self._policy, condition, metadata)
            else:
                answer = call(
                    "put_object",
                    Body=content.piece(0, content.size),
                    ChecksumCRC32C=content.checksum(CRC32C).value,
                    ContentMD5=content.checksum(MD5).value,  # which old stores check too
                    Metadata=metadata,
                    **condition,
                )
        except Gone as gone:  # of all generations
            raise Conflict(path) from gone
        return _info(path, answer, content.size)

    def _require_conditions(self, path: str) -> None:
        """Once a bucket: a store that ignores conditions lets two publishers overwrite each other.

        Raises:
            InputError: it does.
        """
        bucket = split(path)[0]
        if bucket in self._conditional:
            return
        probe = partial(self._call, path=f"{path}.{uuid4().hex}.probe")
        probe("put_object", permission=_WRITE, Body=b"")
        try:
            probe("put_object", permission=_WRITE, Body=b"", IfNoneMatch="*")
        except Conflict:
            self._conditional.add(bucket)
        else:
            raise InputError(
                path,
                expected="a store that knows conditional writes (If-None-Match)",
                found="one that ignores them",
            )
        finally:
            self._policy.run("delete", path, lambda: probe("delete_object", permission=_DELETE))

    def delete(self, info: ObjectInfo) -> None:
        """See ObjectRequests."""
        try:
            self._call("delete_object", path=info.path, permission=_DELETE, IfMatch=info.generation)
        except Conflict as conflict:
            raise Gone(info.path) from conflict

    def _call(self, method: str, *, path: str, permission: str, **arguments: Any) -> Answer:
        bucket, name = split(path)
        with _told(path, permission):
            answer: Answer = self._files.call_s3(method, Bucket=bucket, Key=name, **arguments)
        return answer

    async def _body(self, info: ObjectInfo, start: int, end: int) -> bytes:
        bucket, name = split(info.path)
        answer = await self._files._call_s3(
            "get_object",
            Bucket=bucket,
            Key=name,
            Range=f"bytes={start}-{end - 1}",
            IfMatch=info.generation,
        )
        async with answer["Body"] as body:
            content: bytes = await body.read()
        return content


def _has_endpoint() -> bool:
    """Whether the environment or the profile names one; botocore alone knows all the places."""
    client = Session().create_client("s3", region_name="us-east-1")
    return "amazonaws.com" not in client.meta.endpoint_url


def _info(path: str, answer: Answer, size: int) -> ObjectInfo:
    return ObjectInfo(
        path=path,
        bytes=size,
        generation=answer["ETag"],
        checksum=stored_checksum(answer),
        tag=answer.get("Metadata", {}).get(WRITE_TAG, ""),
    )


@contextmanager
def _told(path: str, permission: str) -> Iterator[None]:
    """The exceptions of s3fs and what is below it in the words of ObjectRequests."""
    try:
        yield
    except _CREDENTIALS as error:
        raise InputError(
            path,
            expected="S3 credentials",
            found=str(error),
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
        ) from error
    except botocore.exceptions.ParamValidationError as error:
        raise InputError(path, expected="what S3 accepts", found=str(error)) from error
    except (OSError, aiohttp.ClientError, botocore.exceptions.BotoCoreError, ValueError) as error:
        raise _translated(path, permission, error) from error


def _translated(path: str, permission: str, error: Exception) -> Exception:
    """By the answer that s3fs hides behind an OSError; without an answer it was the connection."""
    answer = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    if not isinstance(answer, dict):
        return Transient(f"{type(error).__name__}: {error}")
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer["ResponseMetadata"]["HTTPStatusCode"])
    if status in TRANSIENT_STATUS or code in _PASSING:
        return Transient(f"{status} {code}: {error}")
    if status == 412:
        return Conflict(path)
    if code == "NoSuchBucket":
        return missing_bucket(path)
    if code == "NoSuchUpload":
        return Transient("the server forgot the upload")
    if status == 404:
        return Gone(path)
    if status in (401, 403):
        return refused(path, f"{status} {code}", permission)
    if status == 400:
        return InputError(path, expected="what the store accepts", found=f"{code}: {error}")
    return StorageError(path, operation="work with", fault=f"{status} {code}: {error}")
