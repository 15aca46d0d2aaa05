"""Which Dataset a model was trained on, to tell whether it may be judged on another."""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.splits import SplitConfig, SplitKind

TRAINED_ON: Final = "trained_on"
MADE_BY: Final = ("filters", "catalogue")  # details of a Dataset


class TrainedOn(BaseModel):
    """The Dataset of a model, as artifacts record it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(description="Content hash.")
    split: SplitConfig = Field(description="How it was split.")
    made: dict[str, JsonValue] = Field(description="What else decides which interactions it has.")
    before: tuple["TrainedOn", ...] = Field(
        default=(),
        description="Datasets of models that training started from, one from the other; those that "
        "could not teach what later ones test are left out.",
    )

    @classmethod
    def made_of(cls, data: Dataset, before: "TrainedOn | None" = None) -> Self:
        """What a model says that is trained on `data`, perhaps from one that was trained before."""
        own = cls(
            dataset=data.content_hash,
            split=SplitConfig.model_validate(data.manifest.details["split"]),
            made={name: data.manifest.details[name] for name in MADE_BY},
        )
        if before is None:
            return own
        earlier = (before.model_copy(update={"before": ()}), *before.before)
        kept = tuple(one for one in earlier if one.why_not_judged_on(data))
        return own.model_copy(update={"before": kept})

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
                hint="an older version made it: run retrain once, with force",
            ) from error

    def as_details(self) -> dict[str, JsonValue]:
        """For the manifest of an artifact."""
        return {TRAINED_ON: self.model_dump(mode="json")}

    def why_not_judged_on(self, data: Dataset) -> str:
        """Why the model may have been trained on what `data` tests; empty if it hardly can.

        By time or by item, what is tested today was held out or unknown before, as long as the log
        only grows. Drawn at random user by user, it changes with the data.
        """
        for earlier in self.before:
            if why := earlier.why_not_judged_on(data):
                return f"it began as a model of which that is so: {why}"
        if self.dataset == data.content_hash:
            return ""
        today = TrainedOn.made_of(data)
        if (self.split, self.made) != (today.split, today.made):
            return "it was trained with other settings of split or filters"
        if today.split.kind is SplitKind.RANDOM:
            return "a random split of other data leaves other interactions out"
        return ""
