"""Which names a glob means, and which files are visible."""

import fnmatch
import re
from collections.abc import Sequence
from typing import Final

WILDCARDS: Final = "*?["


def has_wildcard(path: str) -> bool:
    """Whether `path` is a glob."""
    return any(character in path for character in WILDCARDS)


def before_wildcard(pattern: str) -> str:
    """What every path that matches starts with."""
    return re.split(f"[{re.escape(WILDCARDS)}]", pattern, maxsplit=1)[0]


def is_visible(name: str) -> bool:
    """Whether a file of that name is data: neither hidden, nor temporary, nor a folder's mark."""
    return bool(name) and name[0] not in "._"


def name_matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a file of that name is one of `patterns`; none means any."""
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def glob_expression(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within a part of the path, `**` goes over any number of them.

    >>> expression = glob_expression("gs://b/**/x?.[ct]sv")
    >>> [bool(expression.fullmatch(f"gs://b/{name}")) for name in ("x1.csv", "y/z/x2.tsv", "x.csv")]
    [True, True, False]
    """
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^]]*\])", pattern)
    return re.compile("".join(map(_translated, pieces)), re.DOTALL)


def _translated(piece: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if piece in known:
        return known[piece]
    if len(piece) > 2 and piece[0] == "[" and piece[-1] == "]":
        negated = piece[1] == "!"
        letters = piece[1 + negated : -1].replace("\\", r"\\").replace("[", r"\[")
        letters = letters.replace("]", r"\]").replace("^", r"\^")
        return f"(?!/)[{'^' if negated else ''}{letters}]"
    return re.escape(piece)
