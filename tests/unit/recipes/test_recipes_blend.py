"""Recipes of blends: their members, their seeds, how long they train; and sizes of the shipped."""

import pytest
import torch

from towerflow.errors import InputError
from towerflow.models.learn import Learn, LearnConfig
from towerflow.recipes import BlendConfig, Recipe, load_recipe, recipe_names
from towerflow.training.config import TrainingConfig

BLEND = """
description: mine
model:
  kind: blend
  members:
    - weight: 2
      model: {kind: learn}
      training: {epochs: 3}
    - weight: 0.5
      model: {kind: sasrec}
      training: {epochs: 4, seed: 1}
"""


def trainings(recipe: Recipe) -> list[TrainingConfig]:
    """The recipe's own if it has one, or those of its members."""
    if isinstance(recipe.model, BlendConfig):
        return [member.training for member in recipe.model.members]
    return [recipe.training] if recipe.model.kind in ("learn", "sasrec") else []


def test_members_are_read_in_their_order() -> None:
    model = load_recipe(BLEND).model
    assert isinstance(model, BlendConfig)
    assert [member.weight for member in model.members] == [2, 0.5]
    assert [member.model.kind for member in model.members] == ["learn", "sasrec"]
    assert [member.training.epochs for member in model.members] == [3, 4]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("weight: 2", "weight: 0", ["members.0.weight", "greater than 0"]),
        ("weight: 2", "weight: .inf", ["members.0.weight", "finite"]),
        ("weight: 0.5", "weigth: 0.5", ["members.1.weight", "Field required"]),
        ("{kind: sasrec}", "{kind: ease}", ["members.1.model", "'learn', 'sasrec'"]),
        ("{kind: sasrec}", "{kind: sasrec, dim: 3}", ["members.1.model.sasrec.dim", "Extra"]),
        ("training: {epochs: 3}", "trainings: {}", ["members.0.training", "Field required"]),
        ("{epochs: 3}", "{epochs: -1}", ["members.0.training.epochs", "greater than or equal"]),
        ("kind: blend", "kind: blend\n  weight: 1", ["model.blend.weight", "Extra"]),
    ],
)
def test_a_mistake_in_a_member_names_it(old: str, new: str, parts: list[str]) -> None:
    assert old in BLEND
    with pytest.raises(InputError) as caught:
        load_recipe(BLEND.replace(old, new))
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_single_member_is_no_blend() -> None:
    alone = BLEND[: BLEND.index("    - weight: 0.5")]
    with pytest.raises(InputError, match=r"members: .*at least 2 items"):
        load_recipe(alone)


@pytest.mark.parametrize("name", [*recipe_names(), BLEND])
def test_another_seed_reaches_every_training_and_changes_nothing_else(name: str) -> None:
    recipe = load_recipe(name)
    other = recipe.with_seed(41)
    assert [training.seed for training in trainings(other)] == [41] * len(trainings(recipe))
    assert other == recipe.with_seed(3).with_seed(41)
    back = [training.model_copy(update={"seed": 41}) for training in trainings(recipe)]
    assert trainings(other) == back
    assert other.description == recipe.description
    without_seeds = [load_recipe(name).with_seed(0), other.with_seed(0)]
    assert without_seeds[0] == without_seeds[1]
    assert type(other) is Recipe
    models = [one.model_dump(exclude={"model": {"members"}})["model"] for one in (recipe, other)]
    assert models[0] == models[1]


def test_a_recipe_is_left_as_it_is_by_another_seed() -> None:
    recipe = load_recipe(BLEND)
    recipe.with_seed(9)
    assert recipe == load_recipe(BLEND)
    assert [training.seed for training in trainings(recipe)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        (BLEND, 3 + 4),
        ("description: mine\nmodel: {kind: learn}\ntraining: {epochs: 5}", 5),
        ("description: mine\nmodel: {kind: sasrec}\ntraining: {epochs: 6}", 6),
        ("popularity", 0),
        ("ease", 0),
        ("learn-zero-shot", 0),
    ],
)
def test_it_knows_how_many_epochs_it_takes_at_most(text: str, epochs: int) -> None:
    assert load_recipe(text).num_epochs == epochs


def config_of(name: str) -> LearnConfig:
    """The tower of a shipped recipe."""
    model = load_recipe(name).model
    assert isinstance(model, LearnConfig)
    return model


@pytest.mark.parametrize(
    ("name", "millions"),
    [("learn-industrial", 88.25), ("learn-amazon", 34.65), ("learn-amazon-pretrain", 34.65)],
)
def test_the_papers_recipes_have_the_papers_number_of_weights(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = Learn(config_of(name), 4096, num_items=0)
    weights = list(model.parameters())
    assert {weight.device.type for weight in weights} == {"meta"}
    assert round(sum(weight.numel() for weight in weights) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("learn-pretrain", "learn-finetune"),
        ("learn-pretrain", "learn-zero-shot"),
        ("learn-amazon-pretrain", "learn-amazon"),
    ],
)
def test_a_recipe_that_goes_on_from_another_has_its_tower(first: str, second: str) -> None:
    assert config_of(first) == config_of(second)


def test_the_tower_of_raw_items_differs_from_that_of_content_in_that_alone() -> None:
    changed = {"item_tower": "raw", "dim": None}
    expected = config_of("learn-content").model_dump() | changed
    assert config_of("learn-raw-items") == LearnConfig.model_validate(expected)
