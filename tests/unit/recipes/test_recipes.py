"""Recipes: the shipped ones are valid, mistakes are named."""

import pytest

from towerflow.errors import InputError
from towerflow.models.learn import ItemInput, LearnConfig
from towerflow.models.sasrec import SASRecConfig
from towerflow.recipes import DEFAULT_RECIPE, BlendConfig, load_recipe, recipe_names
from towerflow.training.config import AllAction, Candidates, NextItem, OneTarget

LEARN = "description: mine\nmodel: {kind: learn}\n"


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    assert load_recipe(name).description


def test_the_default_recipe_is_learn_beside_sasrec() -> None:
    assert DEFAULT_RECIPE == "learn"
    model = load_recipe(DEFAULT_RECIPE).model
    assert isinstance(model, BlendConfig)
    tower, ids = (member.model for member in model.members)
    assert isinstance(tower, LearnConfig)
    assert tower.item_input is ItemInput.CONTENT_ID
    assert isinstance(ids, SASRecConfig)
    assert sum(member.weight for member in model.members) == pytest.approx(1)


def test_a_recipe_can_be_given_as_text() -> None:
    assert load_recipe(LEARN + "training: {epochs: 3}").training.epochs == 3


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("kind: next_item", NextItem()),
        ("kind: one_target, second_half: true", OneTarget(second_half=True)),
        ("kind: all_action, beta: 100", AllAction(beta=100)),
    ],
)
def test_each_objective_can_be_chosen(
    objective: str, expected: NextItem | OneTarget | AllAction
) -> None:
    recipe = load_recipe(f"{LEARN}training: {{objective: {{{objective}}}}}")
    assert recipe.training.objective == expected


def test_candidates_of_the_softmax_can_be_chosen() -> None:
    softmax = "{candidates: sampled, num_negatives: 9, log_q: true}"
    recipe = load_recipe(f"{LEARN}training: {{objective: {{kind: next_item, softmax: {softmax}}}}}")
    objective = recipe.training.objective
    assert isinstance(objective, NextItem)
    assert objective.softmax.candidates is Candidates.SAMPLED
    assert objective.softmax.num_negatives == 9


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (LEARN + "training: {epoch: 3}", ["training.epoch", "Extra inputs are not permitted"]),
        (LEARN + "training: {epochs: -1}", ["training.epochs", "'-1'", "greater than or equal"]),
        (LEARN + "training: {epochs: many}", ["training.epochs", "'many'", "valid integer"]),
        (LEARN + "training: {batch_size: 0}", ["training.batch_size", "greater than 0"]),
        ("description: mine\nmodel: {kind: oracle}", ["model", "oracle", "learn", "sasrec"]),
        ("description: mine\nmodel: {kind: learn, width: 9, num_heads: 2}", ["multiple of"]),
        ("model: {kind: learn}", ["description", "Field required"]),
        (LEARN + "trainig: {}", ["trainig", "Extra inputs are not permitted"]),
        ("just: [a, list", ["YAML"]),
        ("a: text: here", ["YAML"]),
    ],
)
def test_a_mistake_names_the_key(text: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(text)
    assert [part for part in parts if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("objective", "parts"),
    [
        ("kind: all_actions", ["objective", "all_action"]),
        ("kind: next_item, second_half: true", ["second_half", "Extra inputs"]),
        ("kind: all_action, softmax: {}", ["softmax", "Extra inputs"]),
        ("kind: all_action, target_share: 1", ["target_share", "less than 1"]),
        ("kind: all_action, alpha: 1", ["alpha", "greater than 1"]),
        ("kind: all_action, cut: middle", ["cut", "'timestamp' or 'random'"]),
        ("kind: one_target, min_items: 1", ["min_items", "greater than or equal to 2"]),
        ("kind: next_item, softmax: {negatives: 3}", ["softmax.negatives", "Extra inputs"]),
        ("kind: next_item, softmax: {num_negatives: 3}", ["num_negatives", "'sampled'"]),
        ("kind: next_item, softmax: {candidates: sampled}", ["num_negatives", "'sampled'"]),
        (
            "kind: one_target, softmax: {candidates: in_batch, num_negatives: 3}",
            ["num_negatives", "'sampled'"],
        ),
        ("kind: next_item, softmax: {log_q: true}", ["log_q", "'full'"]),
        ("kind: one_target, min_items: 5, max_items: 4", ["max_items 4", "less than min_items 5"]),
        ("kind: one_target, softmax: {exclude_same_user: true}", ["exclude_same_user", "has one"]),
    ],
)
def test_a_contradiction_within_an_objective_is_refused(objective: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(f"{LEARN}training: {{objective: {{{objective}}}}}")
    assert [part for part in ["training", *parts] if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("kind: learn, item_tower: raw, item_input: id, dim: null", ["raw", "no id"]),
        ("kind: learn, item_tower: raw", ["raw", "dim must be null"]),
        ("kind: learn, positions: rotary, width: 6, num_heads: 2", ["rotary", "even width"]),
        ("kind: sasrec, temperature: 0.1", ["temperature", "Extra inputs"]),
        ("kind: popularity, width: 8", ["width", "Extra inputs"]),
        ("kind: item_knn, num_neighbours: 0", ["num_neighbours", "greater than 0"]),
        ("kind: ease, l2: 0", ["l2", "greater than 0"]),
    ],
)
def test_a_contradiction_within_a_model_is_refused(model: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(f"description: mine\nmodel: {{{model}}}")
    assert [part for part in ["model", *parts] if part not in str(caught.value)] == []


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("lern")
    known = ["content-mean", "learn", "popularity"]
    assert set(known) <= set(recipe_names())
    assert str(caught.value) == f"recipe: expected {' or '.join(recipe_names())}, found 'lern'."
