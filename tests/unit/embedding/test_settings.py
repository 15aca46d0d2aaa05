"""What the user asks for beats what the model says; contradictions are refused."""

import pytest
from pydantic import ValidationError

from towerflow.embedding.settings import EncoderRecord, EncoderSettings, Pooling, Precision
from towerflow.errors import InputError

ASKED = {
    "pooling": "",
    "layer": -1,
    "prompt": "",
    "l2": "",
    "max_tokens": 7,
    "precision": "float32",
}
OWN = EncoderSettings(pooling=Pooling.LAST, l2=True, prompt="passage: {text}")


def test_an_empty_string_leaves_what_the_model_says() -> None:
    found = OWN.changed(**ASKED)  # type: ignore[arg-type]
    assert (found.pooling, found.l2, found.prompt) == (Pooling.LAST, True, "passage: {text}")
    assert (found.max_tokens, found.precision) == (7, Precision.FLOAT32)


def test_what_the_user_asks_for_counts() -> None:
    found = OWN.changed(**ASKED | {"pooling": "cls", "l2": "no", "prompt": "{text}!", "layer": 3})  # type: ignore[arg-type]
    assert found == EncoderSettings(
        pooling=Pooling.CLS, l2=False, prompt="{text}!", layer=3, max_tokens=7
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"pooling": "max"}, r"pooling.*'mean', 'last' or 'cls'"),
        ({"l2": "maybe"}, "l2: expected yes, no or nothing, found maybe"),
        ({"prompt": "read this"}, "has {text} in it once"),
        ({"prompt": "{text} {text}"}, "has {text} in it once"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"precision": "float64"}, "precision"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        OWN.changed(**ASKED | wrong)  # type: ignore[arg-type]


def test_the_prompt_takes_braces_for_what_they_are() -> None:
    settings = EncoderSettings(prompt="{query} {text}")
    assert settings.prompted("a {text} {0}") == "{query} a {text} {0}"


def test_a_record_goes_through_a_manifest() -> None:
    record = EncoderRecord(fingerprint="f", name="llm", revision="r", settings=OWN)
    assert EncoderRecord.of("artifact", record.as_details()) == record
    with pytest.raises(InputError, match=r"artifact: encoder: .*run retrain once"):
        EncoderRecord.of("artifact", {})
    with pytest.raises(ValidationError):
        EncoderSettings(unknown=1)  # type: ignore[call-arg]
