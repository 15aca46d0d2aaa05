"""One sentence, on one line, whatever goes into it."""

import pytest

from towerflow.errors import InputError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("x.csv", expected="rows", found="none"), "x.csv: expected rows, found none."),
        (
            InputError("x.csv", field="title", expected="a column", found="a, b", hint="add one"),
            "x.csv: title: expected a column, found a, b; add one.",
        ),
        (
            InputError("x", expected="one\n  line", found="it failed.\nBadly."),
            "x: expected one line, found it failed. Badly.",
        ),
    ],
)
def test_the_sentence(error: InputError, sentence: str) -> None:
    assert str(error) == sentence
