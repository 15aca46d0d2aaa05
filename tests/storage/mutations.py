"""What may become of the files of a release: by chance, by mistake or by malice."""

import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from towerflow.schema import MANIFEST_FILE

Draw = random.Random

STRANGE: tuple[Callable[[Draw], Any], ...] = (
    lambda _: None,
    lambda draw: draw.choice([True, False]),
    lambda draw: draw.choice([0, 1, -1, 2**31, 2**63, -(2**63), 10**4000, 10**18 + 1]),
    lambda draw: draw.choice([0.5, -0.0, 1e308, math.nan, math.inf, -math.inf]),
    lambda draw: draw.choice(["", "0", "../x", "/etc/passwd", "a\\b", "a\0b", "\ud800", "é" * 9]),
    lambda draw: "x" * draw.choice([100, 10_000, 1_000_000]),
    lambda _: [],
    lambda _: {},
    lambda _: [None, {"a": [1]}],
    lambda draw: nested(draw.choice([10, 100, 250, 400])),
)


def nested(depth: int) -> Any:
    """A list in a list in a list …"""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def change_field(content: bytes, draw: Draw) -> bytes:
    """Another value somewhere, of whatever type."""
    document = json.loads(content)
    parent, key = draw.choice(list(places(document)))
    is_same_in_words = draw.random() < 0.2 and not isinstance(parent[key], (dict, list))
    parent[key] = str(parent[key]) if is_same_in_words else draw.choice(STRANGE)(draw)
    return json.dumps(document).encode()


def remove_field(content: bytes, draw: Draw) -> bytes:
    """Something is not there."""
    document = json.loads(content)
    parent, key = draw.choice(list(places(document)))
    del parent[key]
    return json.dumps(document).encode()


def add_field(content: bytes, draw: Draw) -> bytes:
    """Something is there that was not."""
    document = json.loads(content)
    parents = [document, *(parent[key] for parent, key in places(document))]
    parent = draw.choice([one for one in parents if isinstance(one, dict)])
    name = draw.choice(["new", "", "__proto__", "../../x", "/x", "a\\b", "manifest.json", "\0"])
    parent[name] = draw.choice([*parent.values(), draw.choice(STRANGE)(draw)])
    return json.dumps(document).encode()


def rename_field(content: bytes, draw: Draw) -> bytes:
    """A file or a field is called otherwise."""
    document = json.loads(content)
    parent, key = draw.choice([(p, k) for p, k in places(document) if isinstance(p, dict)])
    parent[draw.choice([f"../{key}", f"/{key}", f"{key}/", f"./{key}", key.upper()])] = parent[key]
    del parent[key]
    return json.dumps(document).encode()


def swap_fields(content: bytes, draw: Draw) -> bytes:
    """Two values have changed places."""
    document = json.loads(content)
    (parent, key), (other, name) = draw.sample(list(places(document["files"])), 2)
    parent[key], other[name] = other[name], parent[key]
    try:
        return json.dumps(document).encode()
    except ValueError:  # one was inside the other
        return b"{}"


def double_field(content: bytes, draw: Draw) -> bytes:
    """A field stands there twice; the second is what Python would take."""
    lines = content.splitlines(keepends=True)
    at = draw.choice([at for at, line in enumerate(lines) if b'": "' in line or b'": 1' in line])
    return b"".join([*lines[:at], lines[at].rstrip(b",\n") + b",\n", *lines[at:]])


def nest_deep(content: bytes, draw: Draw) -> bytes:
    """Deeper than any parser goes."""
    depth = draw.choice([500, 900, 2_000, 100_000])
    return content.replace(
        b'"details": {', b'"details": {"deep": ' + b"[" * depth + b"]" * depth + b","
    )


def change_byte(content: bytes, draw: Draw) -> bytes:
    """One, which may end UTF-8."""
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]


def cut(content: bytes, draw: Draw) -> bytes:
    """The end is not there."""
    return content[: draw.randrange(len(content))]


def cut_out(content: bytes, draw: Draw) -> bytes:
    """Some of the middle is not there."""
    start, end = sorted(draw.sample(range(len(content) + 1), 2))
    return content[:start] + content[end:]


def append(content: bytes, draw: Draw) -> bytes:
    """Something stands after the end."""
    return content + draw.choice([b"\0", b"{}", content, b"\xff\xfe", draw.randbytes(40)])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every field and list element, as where it is and what it is called there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(inside):
        yield value, key
        if isinstance(one, (dict, list)):
            yield from places(one)


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """Let a file have another content for a while."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


@contextmanager
def out_of_the_way(path: Path) -> Iterator[Path]:
    """Let something else, or nothing, be there for a while; gives where it is meanwhile."""
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        yield aside
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        aside.rename(path)


def means_the_same(one: bytes, other: bytes) -> bool:
    """As JSON: white space, and how a letter is written, say nothing."""
    try:
        return canonical(one) == canonical(other)
    except (ValueError, RecursionError):
        return False


def canonical(content: bytes) -> str:
    """Sorted; numbers and truth values keep their type, and nothing stands there twice."""
    pairs: list[list[Any]] = []

    def distinct(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append([name for name, _ in found])
        return dict(found)

    document = json.loads(content.decode(), object_pairs_hook=distinct)
    doubled = sum(len(names) - len(set(names)) for names in pairs)
    return f"{doubled} {json.dumps(document, sort_keys=True)}"


OF_A_MANIFEST = (
    change_field,
    remove_field,
    add_field,
    rename_field,
    swap_fields,
    double_field,
    nest_deep,
    change_byte,
    cut,
    cut_out,
    append,
)
OF_A_FILE = (change_byte, cut, cut_out, append)

__all__ = ["MANIFEST_FILE", "OF_A_FILE", "OF_A_MANIFEST"]
