"""The user's mistakes and the faults of stores; `assert` is for our own (see CONTRIBUTING.md)."""

import re
from collections.abc import Callable, Collection
from typing import Final, Self

from pydantic import ValidationError

SHOWN: Final = 500  # characters
_LOGIN: Final = re.compile(r"://[^\s'\"]*@")  # in a URI, where a password may stand


class InputError(ValueError):
    """A mistake in what the user gave, told in one sentence.

    Args:
        where: the file, option or name that is wrong, as the user wrote it.
        expected: what should have been there.
        found: what is there.
        field: the column or key inside `where`, if the mistake is that precise.
        hint: what to do about it, if that is not obvious.
    """

    def __init__(
        self, where: object, *, expected: str, found: str, field: str = "", hint: str = ""
    ) -> None:
        place = f"{where}: {field}" if field else f"{where}"
        advice = f"; {hint}" if hint else ""
        sentence = f"{place}: expected {expected}, found {found.rstrip('.')}{advice}."
        # One line, so that it survives log collectors and is easy to find in a pod's log; and text:
        # JSON can hold halves of letters, which nobody can print.
        printable = sentence.encode("utf-8", "backslashreplace").decode()
        super().__init__(" ".join(printable.split()))

    @classmethod
    def told(cls, sentence: str) -> Self:
        """One that was put in words already, in another process."""
        error = cls.__new__(cls)
        ValueError.__init__(error, sentence)
        return error

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        """It crosses from a process to another as its sentence."""
        return self.told, (str(self),)

    @classmethod
    def from_validation(
        cls,
        where: object,
        expected: str,
        error: ValidationError,
        confidential: Collection[str] = (),
    ) -> Self:
        """The first thing that pydantic found wrong in `where`.

        Parts of the place in parentheses are tags of a union, which nobody wrote. Told is no more
        than one value: what stands beside it, or under a key that nobody knows, may be a secret.

        Args:
            where: as of every InputError.
            expected: likewise.
            error: of pydantic.
            confidential: keys below which no value is told.
        """
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"]]
        field = ".".join(part for part in parts if not part.startswith("("))
        hidden = not set(confidential).isdisjoint(parts)
        found = f"{_value_or_kind(first['type'], first['input'], hidden)}: {first['msg']}"
        return cls(where, field=shortened(field), expected=expected, found=found)


def _value_or_kind(error_type: str, value: object, hidden: bool) -> str:
    """What pydantic found at the place of an error, and not what stands around it."""
    if error_type == "missing":
        return "nothing"
    if error_type == "extra_forbidden":
        return "an unknown key"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if hidden:
        return "a value that is not shown here"
    return f"'{shortened(_LOGIN.sub('://***@', str(value)))}'"


class StorageError(RuntimeError):
    """A fault of an object store that outlasted every try, told in one sentence.

    Args:
        path: the object.
        operation: what was done with it, such as "write".
        fault: the last fault.
        tries: how often it was tried.
        seconds: for how long.
    """

    def __init__(
        self, path: str, *, operation: str, fault: str, tries: int = 1, seconds: float = 0.0
    ) -> None:
        often = f"after {tries} tries in {seconds:.1f} s" if tries > 1 else "at the first try"
        sentence = f"{path}: could not {operation} it, given up {often}: {fault.rstrip('.')}."
        super().__init__(" ".join(sentence.split()))

    @classmethod
    def told(cls, sentence: str) -> Self:
        """One that was put in words already, in another process."""
        error = cls.__new__(cls)
        RuntimeError.__init__(error, sentence)
        return error

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        """It crosses from a process to another as its sentence."""
        return self.told, (str(self),)


class RunFailed(RuntimeError):  # noqa: N818 (reads better where it is caught)
    """What was started failed, and not by a mistake of the user's."""


def shortened(text: str) -> str:
    """The start of what may be megabytes, so that a sentence stays one."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
