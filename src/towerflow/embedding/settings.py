"""What an embedding depends on beside the text and the weights."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from towerflow.errors import InputError

TEXT_FIELD: Final = "{text}"
ENCODER: Final = "encoder"


class Pooling(StrEnum):
    """How the states of a text's tokens become one embedding."""

    MEAN = "mean"  # over real tokens, as LEARN does
    LAST = "last"  # of the last token: what decoders trained to embed mean
    CLS = "cls"  # of the first token


class Precision(StrEnum):
    """What the LLM calculates in; embeddings are float32 whatever it is."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"  # linear layers alone, activations quantised token by token


class EncoderSettings(BaseModel):
    """How a frozen LLM is used; two equal settings of equal weights give equal embeddings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pooling: Pooling = Pooling.MEAN
    layer: int = Field(
        default=-1, description="Hidden layer that is pooled; 0: the input, -1: the last."
    )
    prompt: str = Field(default=TEXT_FIELD, description="What the LLM reads, with {text} in it.")
    l2: bool = Field(default=False, description="Whether embeddings are scaled to length 1.")
    max_tokens: int = Field(default=128, ge=1, description="Texts are cut to this many tokens.")
    precision: Precision = Precision.FLOAT32

    @model_validator(mode="after")
    def _has_the_text(self) -> Self:
        if self.prompt.count(TEXT_FIELD) != 1:
            raise ValueError(f"a prompt has {TEXT_FIELD} in it once")
        return self

    def prompted(self, text: str) -> str:
        """`text` in the prompt; what else has braces in it stays as it is."""
        return self.prompt.replace(TEXT_FIELD, text)

    def changed(
        self, *, pooling: str, layer: int, prompt: str, l2: str, max_tokens: int, precision: str
    ) -> Self:
        """These with what the user asks for; an empty string leaves what the model says itself.

        Args:
            pooling: see `Pooling`, or "".
            layer: hidden layer.
            prompt: with {text} in it, or "".
            l2: "yes", "no" or "".
            max_tokens: texts are cut to so many.
            precision: see `Precision`.

        Raises:
            InputError: a value is none of those.
        """
        if l2 not in ("", "yes", "no"):
            raise InputError("l2", expected="yes, no or nothing", found=l2)
        asked = {"pooling": pooling, "prompt": prompt, "l2": l2}
        try:
            return type(self).model_validate(
                {
                    **self.model_dump(),
                    **{name: value for name, value in asked.items() if value},
                    "layer": layer,
                    "max_tokens": max_tokens,
                    "precision": precision,
                }
            )
        except ValidationError as error:
            raise InputError.from_validation("the encoder", "a valid setting", error) from error


class EncoderRecord(BaseModel):
    """The encoder of some embeddings, as artifacts and the store record it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str = Field(description="Hash of all that an embedding depends on but the text.")
    name: str = Field(description="Name, hub id, gs:// folder, or last part of a local path.")
    revision: str = Field(description="Commit of the hub, or a hash over the files.")
    settings: EncoderSettings

    def as_details(self) -> dict[str, JsonValue]:
        """For the manifest of an artifact."""
        return {ENCODER: self.model_dump(mode="json")}

    @classmethod
    def of(cls, where: object, details: Mapping[str, JsonValue]) -> Self:
        """Out of the manifest of the artifact `where`.

        Raises:
            InputError: it has none, since an older version made it.
        """
        try:
            return cls.model_validate(details.get(ENCODER))
        except ValidationError as error:
            raise InputError(
                where,
                field=ENCODER,
                expected="the encoder that its embeddings come from",
                found="none",
                hint="an older version made it: run retrain once",
            ) from error
