"""Recipes: named, validated training configurations, one YAML file each in this folder."""

from importlib.resources import files
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from towerflow.errors import InputError
from towerflow.models.content_mean import ContentMeanConfig
from towerflow.models.item_to_item import EaseConfig, ItemKNNConfig
from towerflow.models.learn import ItemTower, LearnConfig
from towerflow.models.popularity import PopularityConfig
from towerflow.models.sasrec import SASRecConfig
from towerflow.models.transformer import Positions
from towerflow.training.config import AllAction, TrainingConfig

DEFAULT_RECIPE: Final = "learn"


class MemberConfig(BaseModel):
    """One of the models whose scores are added."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight: Annotated[float, Field(gt=0, description="Of its logits in the sum.")]
    model: Annotated[LearnConfig | SASRecConfig, Field(discriminator="kind")]
    training: TrainingConfig

    @model_validator(mode="after")
    def _training_fits(self) -> Self:
        require_fit(self.model, self.training)
        return self


def require_fit(model: LearnConfig | SASRecConfig, training: TrainingConfig) -> None:
    """Refuse a training that the model can't take, or that would not be what it says.

    Raises:
        ValueError: in a sentence.
    """
    objective = training.objective
    if not isinstance(model, LearnConfig) or model.item_tower is not ItemTower.SEQUENCE:
        return
    if not isinstance(objective, AllAction):
        raise ValueError("item_tower sequence is for objective all_action: others have single")
    has_positions = model.positions is Positions.LEARNED
    if has_positions and objective.max_targets > model.max_history:
        raise ValueError("max_targets exceeds max_history, as far as learned positions reach")


class BlendConfig(BaseModel):
    """Models that are trained each for itself and scored together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["blend"] = "blend"
    members: Annotated[list[MemberConfig], Field(min_length=2)]


ModelConfig = Annotated[
    BlendConfig
    | LearnConfig
    | SASRecConfig
    | PopularityConfig
    | ContentMeanConfig
    | ItemKNNConfig
    | EaseConfig,
    Field(discriminator="kind"),
]


class Recipe(BaseModel):
    """Which model, of what size, trained how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(description="What the recipe is for, in a sentence.")
    model: ModelConfig
    training: TrainingConfig = Field(
        default=TrainingConfig(),
        description="Of models that are trained by gradient; a blend's members have their own.",
    )

    @model_validator(mode="after")
    def _training_fits(self) -> Self:
        if isinstance(self.model, LearnConfig | SASRecConfig):
            require_fit(self.model, self.training)
        elif "training" in self.model_fields_set:
            raise ValueError(f"a {self.model.kind} has no training of its own")
        return self

    @property
    def num_epochs(self) -> int:
        """Epochs of all trainings at most."""
        match self.model:
            case BlendConfig(members=members):
                return sum(member.training.epochs for member in members)
            case LearnConfig() | SASRecConfig():
                return self.training.epochs
            case _:
                return 0

    def with_seed(self, seed: int) -> Self:
        """The same with another seed throughout."""
        content = self.model_dump()
        content["training"]["seed"] = seed
        if not isinstance(self.model, LearnConfig | SASRecConfig):
            del content["training"]
        for member in content["model"].get("members", []):
            member["training"]["seed"] = seed
        return type(self).model_validate(content)


def recipe_names() -> list[str]:
    """Names of the recipes that come with Towerflow."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".yaml")
    )


def load_recipe(recipe: str) -> Recipe:
    """The recipe of that name, or the one whose YAML text is given (recognised by its colon).

    Raises:
        InputError: no such name, or a key or value that a recipe can't have.
    """
    if ":" in recipe:
        return parse_recipe(recipe, "the recipe given as text")
    if recipe not in recipe_names():
        raise InputError("recipe", expected=" or ".join(recipe_names()), found=f"'{recipe}'")
    return parse_recipe(files(__name__).joinpath(f"{recipe}.yaml").read_text("utf-8"), recipe)


def parse_recipe(text: str, where: str) -> Recipe:
    """Validate the YAML `text` of a recipe; `where` is what an error names.

    Raises:
        InputError: it is not YAML, or not a recipe.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-13-45
        raise InputError(where, expected="YAML", found=str(error)) from error
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise InputError.from_validation(where, "a valid recipe", error) from error
