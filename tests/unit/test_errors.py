"""One sentence, on one line, whatever goes into it."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towerflow.errors import InputError


class Login(BaseModel):
    """One that may be wrong in several ways."""

    model_config = ConfigDict(extra="forbid")

    user: str
    age: int = 0
    token_variable: str = Field(default="A", pattern="^[A-Z]+$")
    folder: str = ""


class Account(BaseModel):
    """Where a login stands."""

    auth: Login
    name: str


def refusal(given: Any, confidential: tuple[str, ...] = ()) -> str:
    """What is told of an account that is none."""
    with pytest.raises(ValidationError) as caught:
        Account.model_validate(given)
    return str(InputError.from_validation("x.yaml", "an account", caught.value, confidential))


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


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"name": "n", "auth": {"user": "u", "age": "old"}},
            "auth.age: expected an account, found 'old': Input should be a valid integer",
        ),
        (
            {"name": "n", "auth": {"user": "u", "folder": 3}},
            "auth.folder: expected an account, found '3': Input should be a valid string.",
        ),
        (
            {"name": "n", "auth": {"user": "u", "tokn": "s3cret"}},
            "auth.tokn: expected an account, found an unknown key: Extra inputs are not permitted.",
        ),
        (
            {"name": "n", "auth": {"folder": "s3cret"}},
            "auth.user: expected an account, found nothing: Field required.",
        ),
        (
            {"name": {"token": "s3cret"}, "auth": {"user": "u"}},
            "name: expected an account, found a mapping: Input should be a valid string.",
        ),
        ([{"token": "s3cret"}], "expected an account, found a list: Input should be a valid"),
        ("https://me:s3cret@x", "expected an account, found 'https://***@x': Input should be"),
    ],
)
def test_one_value_is_told_and_nothing_around_it(given: Any, sentence: str) -> None:
    assert refusal(given).startswith(f"x.yaml: {sentence}")
    assert "s3cret" not in refusal(given)


@pytest.mark.parametrize("auth", ["s3cret", {"user": "u", "token_variable": "s3cret"}])
def test_below_some_keys_no_value_is_told(auth: Any) -> None:
    given = {"name": "n", "auth": auth}
    assert "s3cret" in refusal(given)
    told = refusal(given, confidential=("auth",))
    assert "s3cret" not in told
    assert "found a value that is not shown here: " in told
