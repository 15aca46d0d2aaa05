"""`list_trials`: which recipe is to be trained with which seed, refused before anything runs."""

from collections.abc import Sequence
from typing import Final

from towerflow.errors import InputError
from towerflow.recipes import Recipe, load_recipe

STEP: Final = "list_trials"


def list_trials(recipes: list[str], seeds: list[int]) -> list[dict[str, str | int]]:
    """Each recipe with each seed; a recipe that draws nothing, as popularity, with the first alone.

    Args:
        recipes: names, or YAML texts; the others are compared with the first.
        seeds: 0 or more, each once.

    Returns:
        `recipe` and `seed` of each trial.

    Raises:
        InputError: an unknown or invalid recipe, the same one twice, or seeds that make no sense.
    """
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError("seeds", expected="0 or more, each once, at least one", found=str(seeds))
    chosen = distinct_recipes(recipes)
    return [
        {"recipe": text, "seed": seed}
        for text, recipe in zip(recipes, chosen, strict=True)
        for seed in (seeds if draws(recipe) else seeds[:1])
    ]


def distinct_recipes(recipes: Sequence[str]) -> list[Recipe]:
    """The recipes with these names or YAML texts.

    Raises:
        InputError: none, an unknown or invalid one, or the same one twice.
    """
    if not recipes:
        raise InputError("recipes", expected="at least one", found="none")
    chosen = [load_recipe(recipe) for recipe in recipes]
    first: dict[str, str] = {}
    for text, recipe in zip(recipes, chosen, strict=True):
        if (other := first.get(_identity(recipe))) is not None:
            raise InputError(
                "recipes",
                expected="each recipe once",
                found=f"'{_shown(text)}', which is '{_shown(other)}' but for seed and description",
            )
        first[_identity(recipe)] = text
    return chosen


def draws(recipe: Recipe) -> bool:
    """Whether a seed makes a difference."""
    return recipe.with_seed(0) != recipe.with_seed(1)


def _identity(recipe: Recipe) -> str:
    """What makes a recipe another one: all but its seed and its description."""
    return recipe.with_seed(0).model_dump_json(exclude={"description"})


def _shown(recipe: str) -> str:
    return recipe if ":" not in recipe else f"{recipe.strip()[:60]} …"
