"""Recipes: named, validated training configurations, one YAML file each in this folder."""

from importlib.resources import files
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towerflow.errors import InputError
from towerflow.models.content_mean import ContentMeanConfig
from towerflow.models.learn import LearnConfig
from towerflow.models.popularity import PopularityConfig
from towerflow.training.train_learn import TrainingConfig

ModelConfig = Annotated[
    LearnConfig | PopularityConfig | ContentMeanConfig, Field(discriminator="kind")
]
DEFAULT_RECIPE: Final = "learn"


class Recipe(BaseModel):
    """Which model, of what size, trained how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(description="What the recipe is for, in a sentence.")
    model: ModelConfig
    training: TrainingConfig = Field(
        default=TrainingConfig(), description="Read by the models that are trained by gradient."
    )


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
