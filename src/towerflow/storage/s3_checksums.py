"""What an S3 store says of the bytes that it took."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from towerflow.storage.checksums import CRC32C, MD5, Checksum

# Custom metadata for stores that keep no checksum of what came in parts; each part was checked.
CRC32C_TAG: Final = "towerflow-crc32c"
_MD5_DIGITS: Final = 32

Answer = Mapping[str, Any]


def stored_checksum(answer: Answer) -> Checksum:
    """CRC32C of the whole object or part, else its MD5, else what the writer noted."""
    crc32c = answer.get("ChecksumCRC32C", "")
    if crc32c and "-" not in crc32c and answer.get("ChecksumType") != "COMPOSITE":
        return Checksum(CRC32C, crc32c)
    md5 = _md5(answer)
    noted = answer.get("Metadata", {}).get(CRC32C_TAG, "")
    return md5 or (Checksum(CRC32C, noted) if noted else Checksum("", ""))


def _md5(answer: Answer) -> Checksum | None:
    """The ETag, which is the MD5 of what came in one request and isn't encrypted with a key."""
    encryption = answer.get("ServerSideEncryption", "AES256")
    etag = answer["ETag"].strip('"')
    if encryption != "AES256" or "SSECustomerAlgorithm" in answer or len(etag) != _MD5_DIGITS:
        return None
    return Checksum(MD5, base64.b64encode(bytes.fromhex(etag)).decode())
