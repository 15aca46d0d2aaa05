"""YAML: keys once, merged ones too, and every mistake in one sentence with its line."""

from typing import Any

import pytest

from towerflow.errors import InputError
from towerflow.yaml_documents import read_document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [x, 2.5]", {"a": 1, "b": ["x", 2.5]}),
        ("", None),
        ("a: {k: 1}\nb: {k: 2}", {"a": {"k": 1}, "b": {"k": 2}}),
        ("a: &small {k: 1}\nb: *small", {"a": {"k": 1}, "b": {"k": 1}}),
        ("a: &small {k: 1, l: 2}\nb: {<<: *small, k: 3}", {"k": 3, "l": 2}),
        # The mapping deep in `a` is merged into `b` before it is made itself.
        ("a: {x: {y: &deep {<<: {k: 1, l: 2}, k: 3}}}\nb: {<<: *deep}", {"k": 3, "l": 2}),
        ("b: {<<: [{k: 1}, {k: 2}]}", {"k": 1}),
    ],
)
def test_what_yaml_has(text: str, expected: Any) -> None:
    found = read_document(text, "mine.yaml")
    assert found == read_document(text.encode(), "mine.yaml")
    assert (found["b"] if "<<" in text else found) == expected


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a"),
        ("a: 1\n'a': 1", 2, "a"),
        ("steps:\n  train: {x: 1}\n  gate: {}\n  train: {y: 1}", 4, "train"),
        ("a: [{k: 1,\n k: 2}]", 2, "k"),
        ("a: {<<: {k: 1}, k: 2,\n k: 3}", 2, "k"),
    ],
)
def test_a_key_is_there_once(text: str, line: int, key: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document(text, "mine.yaml")
    assert str(caught.value) == (
        f"mine.yaml: line {line}: expected YAML, found the key '{key}' a second time."
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a:\n  b: [", "line 2: expected YAML, found while parsing"),
        ("a: b: c", "line 1: expected YAML, found mapping values are not allowed here"),
        ("a: *b", "line 1: expected YAML, found undefined alias 'b'"),
        ("a: 1\n--- \nb: 2", "line 2: expected YAML, found expected a single document"),
        ("a: !python/name:os.system", "line 1: expected YAML, found could not determine"),
        ("a: 1\nday: 2026-02-30", "line 2: expected YAML, found a value that cannot be read: day"),
        ("a: 0x_", "line 1: expected YAML, found a value that cannot be read"),
        ("a: !!bool b", "line 1: expected YAML, found a value that cannot be read"),
        ("a: !!timestamp b", "line 1: expected YAML, found a value that cannot be read"),
        ("a: !!float ''", "line 1: expected YAML, found a value that cannot be read"),
        ("a: 2026-01-01T00:00:00+99:00", "line 1: expected YAML, found a value that cannot"),
        pytest.param(
            "a: 0x" + "f" * 5_000,
            "line 1: expected YAML, found a value that cannot be read",
            id="too long to print",
        ),
        ('a: "\\ud800"', "line 1: expected YAML, found a value that cannot be read"),
        ('"\\ud800": a', "line 1: expected YAML, found a value that cannot be read"),
        ("? [a]\n: b", "line 1: expected YAML, found while constructing a mapping"),
        ("a: \udcff", "expected YAML, found unacceptable character"),
        ("a: \0", "expected YAML, found unacceptable character"),
        (b"a: \xff", "expected YAML, found unacceptable character #x00ff: invalid start byte"),
        pytest.param(
            "[" * 2_000,
            "expected YAML, found lists or mappings that are nested too deeply",
            id="deep",
        ),
    ],
)
def test_whatever_is_wrong_is_one_sentence(content: str | bytes, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document(content, "mine.yaml")
    assert str(caught.value).startswith(f"mine.yaml: {told}")
    assert "\n" not in str(caught.value)


def test_the_lines_around_are_not_told() -> None:
    with pytest.raises(InputError) as caught:
        read_document("auth: {client_secret: s3cret\nb: [", "mine.yaml")
    assert "s3cret" not in str(caught.value)
