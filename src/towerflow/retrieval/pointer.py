"""`current.json`: which release of a root is current, and which were before it.

It is only ever changed as a whole, by whoever has seen its last generation.
"""

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from towerflow.errors import InputError
from towerflow.storage.filesystems import read_versioned, write_if
from towerflow.storage.object_store import ABSENT

POINTER_FILE: Final = "current.json"
POINTER_LIMIT: Final = 2**20  # bytes
HISTORY_LENGTH: Final = 1000  # moves that are remembered: years of nights, weeks of hours


class How(StrEnum):
    """Why the pointer was moved."""

    PUBLISH = "publish"
    ROLLBACK = "rollback"


# A name on every system, and nothing that leads anywhere else.
_A_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
ReleaseId = Annotated[str, StringConstraints(pattern=f"^{_A_NAME}$")]


def is_release_id(name: str) -> bool:
    """Whether a release can be called so.

    >>> [is_release_id(name) for name in ("r-1", "", "..", "a/b", "r 1")]
    [True, False, False, False, False]
    """
    return re.fullmatch(_A_NAME, name) is not None


class Move(BaseModel):
    """One move of the pointer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[int, Field(ge=1, description="1 for the first of the root.")]
    release_id: ReleaseId
    at: str = Field(description="ISO 8601, UTC.")
    how: How


class Pointer(BaseModel):
    """Content of `current.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: Annotated[int, Field(ge=1, description="One more with each change of the file.")]
    release_id: ReleaseId
    published_at: str = Field(description="ISO 8601, UTC.")
    previous: ReleaseId | None = Field(description="What was current before.")
    history: tuple[Move, ...] = Field(min_length=1, description="The latest moves, newest last.")
    retired: tuple[ReleaseId, ...] = Field(description="Releases that are being deleted.")
    pruner: str = Field(description="Token of who deletes them; empty: nobody does.")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        numbers = [move.number for move in self.history]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise ValueError("moves are not numbered one by one")
        before = self.history[-2].release_id if len(numbers) > 1 else None
        if (self.previous, self.release_id) != (before, self.history[-1].release_id):
            raise ValueError("the last moves led elsewhere")
        if self.release_id in self.retired:
            raise ValueError("what is current is being deleted")
        return self

    @classmethod
    def after(cls, last: "Pointer | None", release_id: str, at: str, how: How) -> Self:
        """The pointer moved to `release_id`."""
        moves = last.history if last else ()
        number = moves[-1].number + 1 if moves else 1
        move = Move(number=number, release_id=release_id, at=at, how=how)
        return cls(
            revision=last.revision + 1 if last else 1,
            release_id=release_id,
            published_at=at,
            previous=last.release_id if last else None,
            history=(*moves, move)[-HISTORY_LENGTH:],
            retired=last.retired if last else (),
            pruner=last.pruner if last else "",
        )

    def retiring(self, releases: Iterable[str], pruner: str) -> Self:
        """The same, with all of `releases` and no other being deleted by `pruner`."""
        update = {
            "retired": tuple(sorted(releases)),
            "pruner": pruner,
            "revision": self.revision + 1,
        }
        return self.model_copy(update=update)


def read_pointer(root: str) -> tuple[Pointer | None, str]:
    """The pointer of `root` and its generation; None before the first publish.

    Raises:
        InputError: it is damaged.
        StorageError: it can't be read.
    """
    path = f"{root}/{POINTER_FILE}"
    read = read_versioned(path, max_bytes=POINTER_LIMIT)
    if read.generation == ABSENT:
        return None, ABSENT
    try:
        return Pointer.model_validate(json.loads(read.content)), read.generation
    except ValidationError as error:
        raise InputError.from_validation(
            path, "a pointer to a release, as this version writes it", error
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(path, expected="a pointer to a release", found="no JSON") from error


def write_pointer(root: str, pointer: Pointer, generation: str) -> None:
    """Replace the pointer if it still is of `generation`.

    Raises:
        Conflict: somebody else moved it meanwhile.
        StorageError: it can't be written, or nobody can tell whether it was.
    """
    content = pointer.model_dump_json(indent=2) + "\n"
    write_if(f"{root}/{POINTER_FILE}", content.encode(), generation)
