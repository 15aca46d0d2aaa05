"""How a measured model came to be: what `train` said of it, kept beside its Metrics."""

from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from towerflow.errors import InputError
from towerflow.schema import MANIFEST_FILE, TOOK, Manifest

TRAINING: Final = "training"


class TrainingRecord(BaseModel):
    """A recipe, a seed, and what training took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(description="Name of the recipe; own if it was given as text.")
    seed: int = Field(description="As it was asked for; -1: the recipe's own.")
    settings: dict[str, JsonValue] = Field(description="The recipe in full, with that seed.")
    parameters: int = Field(description="Numbers that the model keeps.")
    epochs: int = Field(description="Of all trainings.")
    seconds: float = Field(description="Training alone, reading and writing left out.")
    curves: dict[str, list[dict[str, float]]] = Field(
        description="Loss and validation metric by epoch, of each training."
    )

    @property
    def title(self) -> str:
        """The recipe, and the seed if one was asked for."""
        return self.recipe if self.seed < 0 else f"{self.recipe}, seed {self.seed}"

    @classmethod
    def of_model(cls, folder: Path, manifest: Manifest) -> Self:
        """Out of the manifest of the RetrievalModel in `folder`.

        Raises:
            InputError: it was not written by this version's `train`.
        """
        details, counts = manifest.details, manifest.counts
        took = details.get(TOOK)
        content: dict[str, object] = {
            **{name: details.get(name) for name in ("recipe", "seed", "settings", "curves")},
            **{name: counts.get(name) for name in ("parameters", "epochs")},
            "seconds": took.get("seconds") if isinstance(took, dict) else None,
        }
        return cls._validated(folder, content)

    @classmethod
    def of_metrics(cls, folder: Path, manifest: Manifest) -> Self:
        """Out of the manifest of the Metrics in `folder`.

        Raises:
            InputError: they are not those of a model that `train` made.
        """
        return cls._validated(folder, manifest.details.get(TRAINING, {}))

    def as_details(self) -> dict[str, JsonValue]:
        """For the manifest of the model's Metrics."""
        return {TRAINING: self.model_dump(mode="json")}

    @classmethod
    def _validated(cls, folder: Path, content: object) -> Self:
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise InputError.from_validation(
                folder / MANIFEST_FILE, "what this version's train says of a model", error
            ) from error
