"""`list_trials`: what will be trained, and every mistake before it is."""

import pytest

from tests.conftest import SMALL_RECIPE
from towerflow.errors import InputError
from towerflow.recipes import recipe_names
from towerflow.steps.list_trials import list_trials


def test_each_recipe_with_each_seed_in_order() -> None:
    assert list_trials(["sasrec-id", SMALL_RECIPE], [3, 0]) == [
        {"recipe": "sasrec-id", "seed": 3},
        {"recipe": "sasrec-id", "seed": 0},
        {"recipe": SMALL_RECIPE, "seed": 3},
        {"recipe": SMALL_RECIPE, "seed": 0},
    ]


@pytest.mark.parametrize("recipe", ["popularity", "content-mean", "item-knn", "ease"])
def test_what_draws_nothing_is_trained_once(recipe: str) -> None:
    assert list_trials([recipe], [1, 2]) == [{"recipe": recipe, "seed": 1}]


def test_a_blend_draws() -> None:
    assert len(list_trials(["learn"], [0, 1])) == 2


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"{' or '.join(recipe_names())}, found 'lern'"):
        list_trials(["learn", "lern"], [0])


def test_no_recipe_is_refused() -> None:
    with pytest.raises(InputError, match="recipes: expected at least one, found none"):
        list_trials([], [0])


@pytest.mark.parametrize(
    "again",
    [
        SMALL_RECIPE,
        SMALL_RECIPE.replace("small enough for a test", "in other words"),
        SMALL_RECIPE.replace("patience", "seed: 7, patience"),
    ],
)
def test_a_recipe_is_not_compared_with_itself(again: str) -> None:
    with pytest.raises(InputError, match="expected each recipe once, found 'description: LEARN"):
        list_trials([SMALL_RECIPE, "popularity", again], [0])
    with pytest.raises(InputError, match="found 'learn', which is 'learn'"):
        list_trials(["learn", "learn"], [0])


@pytest.mark.parametrize("seeds", [[], [0, 0], [-1], [0, -1]])
def test_seeds_that_make_no_sense_are_refused(seeds: list[int]) -> None:
    with pytest.raises(InputError, match="seeds: expected 0 or more, each once, at least one"):
        list_trials(["learn"], seeds)
