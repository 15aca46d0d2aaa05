"""The single requests that a remote store is made of, each sent once, and their answers."""

from dataclasses import dataclass
from typing import Final, Protocol

from towerflow.errors import InputError
from towerflow.storage.checksums import Checksum, Content

# Custom metadata that names the write which made an object: after a lost answer it tells one's
# own write from that of somebody else, even if they wrote the same.
WRITE_TAG: Final = "towerflow-write"


class Gone(Exception):  # noqa: N818 (no error: an answer)
    """That generation of the object is no longer there."""


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of an object.

    Attributes:
        path: with scheme and bucket.
        bytes: its size.
        generation: of this content.
        checksum: what the store itself computed, if it says so.
        tag: WRITE_TAG of the write that made it, "" if unknown.
    """

    path: str
    bytes: int
    generation: str
    checksum: Checksum
    tag: str


class ObjectRequests(Protocol):
    """One request each, not repeated, but for the pieces of a large upload.

    All raise Transient for what may pass, InputError for what the user can mend, and StorageError
    for what else a store refuses.
    """

    def info(self, path: str) -> ObjectInfo | None:
        """Of the object as it is now; None if it isn't there."""

    def page(self, prefix: str, token: str) -> tuple[list[ObjectInfo], str]:
        """Objects whose path starts with `prefix`, and the token of the next page, "" at the end.

        Args:
            prefix: a path, cut anywhere after the bucket.
            token: "" for the first page.
        """

    def read(self, info: ObjectInfo, start: int, end: int) -> bytes:
        """Bytes of exactly that generation; raises Gone."""

    def put(self, path: str, content: Content, generation: str, tag: str) -> ObjectInfo:
        """Write if the object is of `generation`, else raise Conflict; what the store took."""

    def delete(self, info: ObjectInfo) -> None:
        """Remove that generation; raises Gone if there is none or another."""


def split(path: str) -> tuple[str, str]:
    """Bucket and name of `path`.

    Raises:
        InputError: it names no bucket.
    """
    bucket, _, name = path.partition("://")[2].partition("/")
    if not bucket:
        raise InputError(path, expected="a bucket after '://'", found="none")
    return bucket, name


def missing_bucket(path: str) -> InputError:
    """For a bucket that a store does not know."""
    return InputError(path, expected=f"a bucket '{split(path)[0]}'", found="none of that name")


def refused(path: str, found: str, permission: str) -> InputError:
    """For a caller who is not known or may not do it."""
    return InputError(
        path,
        expected=f"access to bucket '{split(path)[0]}'",
        found=found,
        hint=f"needs {permission}",
    )
