"""Which Dataset a model was trained on, to tell whether it may be judged on another."""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.splits import SplitConfig, SplitKind

TRAINED_ON: Final = "trained_on"


class TrainedOn(BaseModel):
    """The Dataset of a model, as artifacts record it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(description="Content hash.")
    split: SplitConfig = Field(description="How it was split.")

    @classmethod
    def made_of(cls, data: Dataset) -> Self:
        """What a model that is trained on `data` says of it."""
        return cls(
            dataset=data.content_hash,
            split=SplitConfig.model_validate(data.manifest.details["split"]),
        )

    @classmethod
    def of(cls, where: object, details: Mapping[str, JsonValue]) -> Self:
        """Out of the manifest of the artifact `where`.

        Raises:
            InputError: it has none, since an older version made it.
        """
        try:
            return cls.model_validate(details.get(TRAINED_ON))
        except ValidationError as error:
            raise InputError(
                where,
                field=TRAINED_ON,
                expected="the Dataset that its model was trained on",
                found="none",
                hint="an older version made it: run retrain once",
            ) from error

    def as_details(self) -> dict[str, JsonValue]:
        """For the manifest of an artifact."""
        return {TRAINED_ON: self.model_dump(mode="json")}

    def why_not_judged_on(self, data: Dataset) -> str:
        """Why the model may have been trained on what `data` tests; empty if it can't have been.

        By time or by item, what is tested today was held out or unknown before. Drawn at random
        user by user, it changes with the data.
        """
        if self.dataset == data.content_hash:
            return ""
        today = SplitConfig.model_validate(data.manifest.details["split"])
        if self.split != today:
            return "it was trained with other settings of the split"
        if today.kind is SplitKind.RANDOM:
            return "a random split of other data leaves other interactions out"
        return ""
