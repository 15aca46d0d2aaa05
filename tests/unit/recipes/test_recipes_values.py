"""Recipes: what is in the file is what is used; what can't be used is refused by name."""

from importlib.resources import files
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

from towerflow.errors import InputError
from towerflow.recipes import ModelConfig, load_recipe, parse_recipe, recipe_names
from towerflow.training.config import TrainingConfig

LEARN = "description: mine\nmodel: {kind: learn}\n"


@pytest.mark.parametrize("name", recipe_names())
def test_every_value_of_a_shipped_recipe_is_used(name: str) -> None:
    written = yaml.safe_load(files("towerflow.recipes").joinpath(f"{name}.yaml").read_text("utf-8"))
    written.pop("extends", None)
    assert without_defaults(load_recipe(name).model_dump(mode="json"), written) == written


def without_defaults(used: Any, written: Any) -> Any:
    """The part of `used` that has a counterpart in `written`."""
    if isinstance(written, list):
        return [without_defaults(*pair) for pair in zip(used, written, strict=True)]
    if not isinstance(written, dict):
        return used
    return {key: without_defaults(used[key], value) for key, value in written.items()}


@pytest.mark.parametrize("name", recipe_names())
def test_a_training_section_stands_where_it_is_read_and_only_there(name: str) -> None:
    written = yaml.safe_load(files("towerflow.recipes").joinpath(f"{name}.yaml").read_text("utf-8"))
    if "extends" in written:
        assert "training" not in written
        return
    assert ("training" in written) == (written["model"]["kind"] in ("learn", "sasrec", "graph_cf"))
    assert all("training" in member for member in written["model"].get("members", []))


def test_there_is_a_recipe_for_every_kind_of_model() -> None:
    configs = get_args(get_args(ModelConfig)[0])
    kinds = {config.model_fields["kind"].default for config in configs}
    assert {load_recipe(name).model.kind for name in recipe_names()} == kinds


def test_without_a_training_section_the_defaults_hold() -> None:
    assert load_recipe(LEARN).training == TrainingConfig()


def test_an_unknown_key_of_the_model_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^mine\.yaml: model\.learn\.widht: .* found an unknown key"
    ):
        parse_recipe("description: mine\nmodel: {kind: learn, widht: 8}", "mine.yaml")


def test_contradictory_sizes_are_refused_in_one_sentence_with_both() -> None:
    text = "description: mine\nmodel: {kind: learn, width: 10, num_heads: 4}"
    with pytest.raises(InputError, match="width 10 is not a multiple of num_heads 4") as caught:
        load_recipe(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the recipe given as text: model.learn: ")


@pytest.mark.parametrize(
    "text",
    [
        "description: 2024-13-45\nmodel: {kind: learn}",  # looks like a date, and is none
        "description: mine\nmodel: {kind: learn}\ntraining: {epochs: 0b_}",  # like a binary number
        "description: mine\nmodel: {kind: learn}\ntraining: {seed: 0x_}",  # like a hexadecimal one
        "a: !!bool maybe",
        pytest.param("a: " + "[" * 2_000, id="deep"),
        "a: \udcff",  # as bytes of the command line arrive that are not UTF-8
    ],
)
def test_a_scalar_that_yaml_can_not_read_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match="the recipe given as text: "):
        load_recipe(text)


def test_a_key_that_is_there_twice_is_named() -> None:
    text = "description: mine\nmodel: {kind: learn}\ntraining: {epochs: 1}\ntraining: {epochs: 2}\n"
    with pytest.raises(InputError, match=r"^mine: line 4: .* the key 'training' a second time\.$"):
        parse_recipe(text, "mine")


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("learning_rate: .inf", "training.learning_rate"),  # all weights become NaN
        ("weight_decay: .inf", "training.weight_decay"),
        ("seed: 100000000000000000000000", "training.seed"),  # torch takes 64 bits
    ],
)
def test_a_value_that_training_can_not_use_is_refused_before_training(
    setting: str, field: str
) -> None:
    with pytest.raises(InputError, match=field):
        load_recipe(LEARN + f"training: {{{setting}}}")


@pytest.mark.parametrize(
    "setting", ["temperature: 0", "temperature: .nan", "dropout: 1", "dim: 0", "max_history: -1"]
)
def test_a_value_out_of_range_is_named(setting: str) -> None:
    field = setting.split(":")[0]
    with pytest.raises(InputError, match=rf"model\.learn\.{field}: "):
        load_recipe(f"description: mine\nmodel: {{kind: learn, {setting}}}")


def test_a_recipe_can_not_be_changed_once_it_is_read() -> None:
    recipe = load_recipe("learn")
    with pytest.raises(ValidationError, match="frozen"):
        recipe.training.epochs = 1  # type: ignore[misc]
