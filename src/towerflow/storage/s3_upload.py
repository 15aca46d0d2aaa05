"""Large uploads to S3: an object in parts, each checked, which becomes visible at the end."""

import contextlib
import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from towerflow.storage.checksums import CRC32C, MD5, Content
from towerflow.storage.retrying import RetryPolicy, Transient
from towerflow.storage.s3_checksums import stored_checksum

PART: Final = 16 * 2**20  # bytes; ten thousand of them are the most that S3 takes

Answer = Mapping[str, Any]


Call = Callable[..., Answer]  # a request by its name in S3, for one object


def put_in_parts(
    call: Call,
    path: str,
    content: Content,
    policy: RetryPolicy,
    condition: Mapping[str, str],
    metadata: Mapping[str, str],
) -> Answer:
    """Send all of `content`; an upload that fails is taken back.

    Args:
        call: raises as ObjectRequests do.
        path: the object, for messages.
        content: what is sent.
        policy: of each part.
        condition: what has to hold when the parts are put together.
        metadata: of the object.

    Returns:
        What the store says of the object.
    """
    upload = call("create_multipart_upload", Metadata=dict(metadata))["UploadId"]
    try:
        parts = [
            policy.run("write", path, partial(_send_part, call, content, upload, start))
            for start in range(0, content.size, PART)
        ]
        return call(
            "complete_multipart_upload",
            UploadId=upload,
            MultipartUpload={"Parts": parts},
            **condition,
        )
    except BaseException:
        # As well as it goes: what is left costs money, but harms nobody.
        with contextlib.suppress(Exception):
            call("abort_multipart_upload", UploadId=upload)
        raise


def _send_part(call: Call, content: Content, upload: str, start: int) -> dict[str, Any]:
    piece = content.piece(start, start + PART)
    number = start // PART + 1
    checked = Content(io.BytesIO(piece))
    answer = call(
        "upload_part",
        UploadId=upload,
        PartNumber=number,
        Body=piece,
        ChecksumCRC32C=checked.checksum(CRC32C).value,
        ContentMD5=checked.checksum(MD5).value,
    )
    if not checked.is_that_of(stored_checksum(answer)):
        raise Transient("the store took other bytes than were sent")
    return {"PartNumber": number, "ETag": answer["ETag"]}
