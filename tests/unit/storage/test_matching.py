"""Globs over names of objects mean what they mean on a disk."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from towerflow.storage.matching import before_wildcard, glob_expression, is_visible

NAMES = ("a", "b", "ab", "a/b", "a/ab", "a/b/c", "b/a/b/c", "c.d", "a-b", "^", "]x")
PIECES = ("a", "b", "*", "?", "[ab]", "[!a]", "[a-c]", "[]x]", ".", "/", "**/", "^")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4))
def test_a_glob_finds_what_python_finds_on_a_disk(pieces: list[str]) -> None:
    pattern = "".join(pieces)
    parts = pattern.split("/")
    # Python refuses these, or reads them otherwise.
    assume("" not in parts and "." not in parts and ".." not in parts and parts[-1] != "**")
    assume(not any("**" in part and part != "**" for part in parts))
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            path = Path(folder) / "root" / f"{name}.f"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        root = Path(folder) / "root"
        expected = sorted(str(path.relative_to(root)) for path in root.glob(f"{pattern}.f"))
    expression = glob_expression(f"gs://b/{pattern}.f")
    found = sorted(f"{name}.f" for name in NAMES if expression.fullmatch(f"gs://b/{name}.f"))
    assert found == expected


def test_two_stars_at_the_end_are_all_below() -> None:
    expression = glob_expression("gs://b/x/**")
    names = ("x/a", "x/a/b", "x", "xy/a")
    assert [bool(expression.fullmatch(f"gs://b/{name}")) for name in names] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("gs://b/x/*.csv", "gs://b/x/"), ("gs://b/x[ab]", "gs://b/x"), ("gs://b/x", "gs://b/x")],
)
def test_a_listing_begins_where_the_pattern_is_certain(pattern: str, prefix: str) -> None:
    assert before_wildcard(pattern) == prefix


def test_hidden_temporary_and_nameless_files_are_not_seen() -> None:
    assert [is_visible(name) for name in ("a", ".a", "_a", "")] == [True, False, False, False]
