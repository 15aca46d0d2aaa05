"""Recipes: the shipped ones are valid, mistakes are named."""

import pytest

from towerflow.errors import InputError
from towerflow.models.learn import LearnConfig
from towerflow.recipes import DEFAULT_RECIPE, load_recipe, recipe_names

LEARN = "description: mine\nmodel: {kind: learn}\n"


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    assert load_recipe(name).description


def test_the_default_recipe_is_learn() -> None:
    assert isinstance(load_recipe(DEFAULT_RECIPE).model, LearnConfig)


def test_a_recipe_can_be_given_as_text() -> None:
    assert load_recipe(LEARN + "training: {epochs: 3}").training.epochs == 3


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (LEARN + "training: {epoch: 3}", ["training.epoch", "Extra inputs are not permitted"]),
        (LEARN + "training: {epochs: 0}", ["training.epochs", "'0'", "greater than 0"]),
        (LEARN + "training: {epochs: many}", ["training.epochs", "'many'", "valid integer"]),
        ("description: mine\nmodel: {kind: oracle}", ["model", "oracle", "learn"]),
        ("description: mine\nmodel: {kind: learn, width: 9, num_heads: 2}", ["multiple of"]),
        ("model: {kind: learn}", ["description", "Field required"]),
        ("just: [a, list", ["YAML"]),
        ("a: text: here", ["YAML"]),
    ],
)
def test_a_mistake_names_the_key(text: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(text)
    assert [part for part in parts if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="content-mean or learn or popularity, found 'lern'"):
        load_recipe("lern")
