"""`metrics.json`: what an evaluation found, read by `gate`, `publish` and people."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towerflow.errors import InputError
from towerflow.evaluation.spectrum import Spectrum

METRICS_FILE: Final = "metrics.json"
PER_USER_FILE: Final = "per_user.parquet"


class EvaluationMetrics(BaseModel):
    """Means over the test users; every metric is named `<metric>@<k>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary_metric: str = Field(description="The metric that the gate looks at.")
    protocol: str = Field(description="How the ranking was made, in words.")
    num_users: int = Field(description="Users with a test interaction.")
    num_items: int = Field(description="Items that were ranked for each user.")
    model: dict[str, float]
    baselines: dict[str, dict[str, float]] = Field(description="The same, per baseline.")
    slices: dict[str, dict[str, float]] = Field(
        default={}, description="The model's, on parts of the test; `users` is a part's size."
    )
    spectra: list[Spectrum] = Field(
        default=[], description="Whether the tables' dimensions carry something, table by table."
    )
    serves_new_items: bool = Field(
        default=True, description="Whether the model tells items apart that nobody has taken yet."
    )
    dataset: str = Field(description="Content hash of the Dataset; tells equal test data.")

    @property
    def primary(self) -> float:
        """The model's value of the primary metric."""
        return self.model[self.primary_metric]

    @classmethod
    def read(cls, folder: Path) -> "EvaluationMetrics":
        """Read `metrics.json` of a Metrics artifact or a release.

        Raises:
            InputError: it is missing or not of this form.
        """
        file = folder / METRICS_FILE
        try:
            return cls.model_validate_json(file.read_text("utf-8"))
        except OSError as error:
            raise InputError(file, expected="metrics of a model", found=str(error)) from error
        except ValidationError as error:
            raise InputError.from_validation(file, "metrics of a model", error) from error
