"""`metrics.json`: what an evaluation found, read by `gate`, `publish` and people."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towerflow.errors import InputError
from towerflow.evaluation.popularity_groups import Exposure
from towerflow.evaluation.resampling import Change, Interval
from towerflow.evaluation.spectrum import Spectrum
from towerflow.evaluation.vector_health import VectorHealth

METRICS_FILE: Final = "metrics.json"
PER_USER_FILE: Final = "per_user.parquet"
SUMMARY_FILE: Final = "summary.md"
CHAMPION: Final = "champion"


class SliceMetrics(BaseModel):
    """A model, and the champion beside it, on part of the test."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(description="What the slice holds on this data.")
    users: int = Field(description="Users with anything in it.")
    metrics: dict[str, float] = Field(description="The model's means, at 10.")
    interval: Interval = Field(description="Of the primary metric.")
    champion: dict[str, float] | None = Field(description="The champion's; null without one.")
    change: Change | None = Field(
        description="Of the primary metric against the champion; null without one, and in slices "
        "that the champion is not asked about."
    )


class ChampionMetrics(BaseModel):
    """The live release's model, scored anew on the same test."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str = Field(description="Its id.")
    metrics: dict[str, float]
    exposure: list[Exposure]
    unknown_items: int = Field(
        description="Items of the catalogue that it can't be asked about: it was trained with "
        "another encoder, and the release has no embedding of theirs."
    )
    not_comparable: str = Field(
        description="Why it may have been trained on what is tested; empty if it can't have been."
    )


class EvaluationMetrics(BaseModel):
    """Means over the test users; every metric is named `<metric>@<k>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary_metric: str = Field(description="The metric that the gate looks at.")
    protocol: str = Field(description="How the ranking was made, in words.")
    is_full_ranking: bool = Field(description="False if only drawn items competed.")
    num_users: int = Field(description="Users with a test interaction.")
    num_items: int = Field(description="Items that were ranked for each user.")
    model: dict[str, float]
    intervals: dict[str, Interval] = Field(description="Of those means that are over users.")
    baselines: dict[str, dict[str, float]] = Field(description="The same metrics, per baseline.")
    champion: ChampionMetrics | None = Field(
        description="Null if nothing is live, or if it could not be scored."
    )
    unmeasured: str = Field(
        default="", description="Why what is live could not be scored; empty if it was."
    )
    not_comparable: str = Field(
        default="",
        description="Why the model may have been trained on the test; empty if it hardly can.",
    )
    changes: dict[str, Change] = Field(
        description="Of the primary metric, against each baseline and `champion`."
    )
    slices: dict[str, SliceMetrics] = Field(description="Parts of the test, as `history: cold`.")
    exposure: list[Exposure] = Field(description="Who is recommended, by popularity.")
    health: VectorHealth
    spectra: list[Spectrum] = Field(
        description="Whether the tables' dimensions carry something, table by table."
    )
    serves_new_items: bool = Field(
        description="Whether the model tells items apart that nobody has taken yet."
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
