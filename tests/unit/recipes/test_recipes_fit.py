"""Recipes: a training that the model can't take, or has no use for, is refused."""

from collections.abc import Callable

import pytest

from towerflow.errors import InputError
from towerflow.models.learn import LearnConfig
from towerflow.recipes import Recipe, load_recipe
from towerflow.training.config import OneTarget, TrainingConfig

SEQUENCE = "kind: learn, item_tower: sequence"
LEARNED = f"{SEQUENCE}, positions: learned, max_history: 30"


def recipe_of(model: str, objective: str) -> str:
    """Its text."""
    training = f"{{objective: {{{objective}}}}}"
    return f"description: mine\nmodel: {{{model}}}\ntraining: {training}\n"


def blend_of(model: str, objective: str) -> str:
    """The same as the second member of a blend."""
    first = "{weight: 1, model: {kind: sasrec}, training: {}}"
    training = f"{{objective: {{{objective}}}}}"
    second = f"{{weight: 1, model: {{{model}}}, training: {training}}}"
    return f"description: mine\nmodel: {{kind: blend, members: [{first}, {second}]}}\n"


@pytest.mark.parametrize("text_of", [recipe_of, blend_of])
@pytest.mark.parametrize(
    ("model", "objective", "sentence"),
    [
        (SEQUENCE, "kind: next_item", "item_tower sequence is for objective all_action"),
        (SEQUENCE, "kind: one_target", "item_tower sequence is for objective all_action"),
        (LEARNED, "kind: all_action, max_targets: 31", "max_targets exceeds max_history"),
    ],
)
def test_a_training_that_the_model_can_not_take_is_refused(
    text_of: Callable[[str, str], str], model: str, objective: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        load_recipe(text_of(model, objective))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text_of", [recipe_of, blend_of])
@pytest.mark.parametrize(
    ("model", "objective"),
    [
        (SEQUENCE, "kind: all_action"),
        (LEARNED, "kind: all_action, max_targets: 30"),
        (LEARNED.replace("learned", "rotary"), "kind: all_action, max_targets: 31"),
        (LEARNED.replace("sequence", "single"), "kind: all_action, max_targets: 31"),
        ("kind: sasrec, max_history: 30", "kind: all_action, max_targets: 31"),
        ("kind: learn, item_tower: single", "kind: one_target"),
    ],
)
def test_a_training_that_the_model_can_take_is_read(
    text_of: Callable[[str, str], str], model: str, objective: str
) -> None:
    assert load_recipe(text_of(model, objective)).num_epochs


@pytest.mark.parametrize("kind", ["popularity", "content_mean", "item_knn", "ease"])
def test_a_training_of_a_model_that_has_none_is_refused(kind: str) -> None:
    text = f"description: mine\nmodel: {{kind: {kind}}}\n"
    assert load_recipe(text).num_epochs == 0
    for training in ("{}", "{epochs: 3}"):
        with pytest.raises(InputError, match=f"a {kind} has no training of its own"):
            load_recipe(f"{text}training: {training}\n")


def test_a_training_of_a_blend_beside_those_of_its_members_is_refused() -> None:
    text = blend_of("kind: learn", "kind: next_item")
    assert load_recipe(text)
    with pytest.raises(InputError, match="a blend has no training of its own"):
        load_recipe(f"{text}training: {{epochs: 3}}\n")


def test_as_many_items_at_most_as_at_least_leave_somebody() -> None:
    assert OneTarget(min_items=4, max_items=4).max_items == 4


def test_a_recipe_made_in_python_takes_another_seed_too() -> None:
    """Where `kind` is a default that nobody wrote."""
    training = TrainingConfig(objective=OneTarget(min_items=3))
    recipe = Recipe(description="mine", model=LearnConfig(), training=training)
    expected = training.model_copy(update={"seed": 7})
    assert recipe.with_seed(7).training == expected
