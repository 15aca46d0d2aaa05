"""Recipes on the graph: what can be set, and what contradicts itself."""

import pytest

from towerflow.errors import InputError
from towerflow.models.graph_cf import GraphCFConfig
from towerflow.models.llm_init import InitConfig, Scale, Strategy
from towerflow.recipes import Recipe, load_recipe, recipe_names
from towerflow.training.config import TrainingConfig
from towerflow.training.graph_config import (
    Contrast,
    GraphLoss,
    GraphTrainingConfig,
    LightGCNLoss,
    Negatives,
    SGCLLoss,
    SGLLoss,
)

OF_SEQUENCES = ["next_item", "one_target", "all_action"]


def text_of(model: str = "kind: graph_cf", training: str = "objective: {kind: lightgcn}") -> str:
    return f"description: mine\nmodel: {{{model}}}\ntraining: {{{training}}}\n"


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("kind: lightgcn", LightGCNLoss()),
        ("kind: lightgcn, penalty: 0", LightGCNLoss(penalty=0)),
        ("kind: lightgcn, negatives: others", LightGCNLoss(negatives=Negatives.OTHERS)),
        ("kind: sgl, drop_share: 0.3, temperature: 0.1", SGLLoss(drop_share=0.3, temperature=0.1)),
        ("kind: sgl, contrast: batch", SGLLoss(contrast=Contrast.BATCH)),
        ("kind: sgl, contrast_weight: 2", SGLLoss(contrast_weight=2)),
        ("kind: sgcl, temperature: 0.5", SGCLLoss(temperature=0.5)),
    ],
)
def test_each_loss_can_be_chosen_and_set(objective: str, expected: GraphLoss) -> None:
    model = f"kind: graph_cf, cosine: {str(objective.startswith('kind: sgcl')).lower()}"
    training = load_recipe(text_of(model, f"objective: {{{objective}}}")).training
    assert isinstance(training, GraphTrainingConfig)
    assert training.objective == expected


def test_the_model_can_be_set() -> None:
    init = "init: {strategy: pca, centre: true, scale: matched_std}"
    model = load_recipe(text_of(f"kind: graph_cf, dim: 16, num_layers: 3, {init}")).model
    expected = InitConfig(strategy=Strategy.PCA, centre=True, scale=Scale.MATCHED_STD)
    assert model == GraphCFConfig(dim=16, num_layers=3, init=expected)


def test_unless_they_are_told_losses_are_those_of_llminit() -> None:
    """Two layers, τ 0.2, a tenth of the edges dropped, weights 0.05 and 10^-5, Adam at 10^-3."""
    assert GraphCFConfig().num_layers == 2
    assert GraphCFConfig().dim == 128
    sgl = SGLLoss()
    assert (sgl.drop_share, sgl.temperature, sgl.contrast_weight) == (0.1, 0.2, 0.05)
    assert sgl.contrast is Contrast.ALL
    assert LightGCNLoss().penalty == sgl.penalty == 1e-5
    assert SGCLLoss().temperature == 0.2
    assert GraphTrainingConfig(objective=sgl).learning_rate == 1e-3


@pytest.mark.parametrize(
    ("cosine", "kind"), [("true", "lightgcn"), ("true", "sgl"), ("false", "sgcl")]
)
def test_cosine_and_sgcl_go_together(cosine: str, kind: str) -> None:
    text = text_of(f"kind: graph_cf, cosine: {cosine}", f"objective: {{kind: {kind}}}")
    with pytest.raises(InputError, match="cosine is for objective sgcl, and sgcl needs it"):
        load_recipe(text)
    other = {"true": "false", "false": "true"}[cosine]
    assert load_recipe(text.replace(f"cosine: {cosine}", f"cosine: {other}"))


@pytest.mark.parametrize("objective", OF_SEQUENCES)
def test_losses_of_sequences_are_not_for_the_graph(objective: str) -> None:
    text = text_of(training=f"objective: {{kind: {objective}}}")
    with pytest.raises(InputError, match="graph_cf must be lightgcn or sgl or sgcl"):
        load_recipe(text)


@pytest.mark.parametrize("kind", ["learn", "sasrec"])
@pytest.mark.parametrize("objective", ["lightgcn", "sgl", "sgcl"])
def test_losses_of_the_graph_are_not_for_sequences(kind: str, objective: str) -> None:
    text = text_of(f"kind: {kind}", f"objective: {{kind: {objective}}}")
    sentence = f"training.objective of a {kind} must be {' or '.join(OF_SEQUENCES)}"
    with pytest.raises(InputError, match=sentence):
        load_recipe(text)


@pytest.mark.parametrize("training", ["", "training: {epochs: 3}\n"])
def test_a_model_on_the_graph_needs_to_be_told_its_loss(training: str) -> None:
    with pytest.raises(InputError, match="graph_cf must be lightgcn or sgl or sgcl"):
        load_recipe(f"description: mine\nmodel: {{kind: graph_cf}}\n{training}")


@pytest.mark.parametrize("kind", ["popularity", "ease"])
def test_a_model_without_training_takes_none_on_the_graph_either(kind: str) -> None:
    with pytest.raises(InputError, match=f"a {kind} has no training of its own"):
        load_recipe(text_of(f"kind: {kind}"))


def test_a_model_on_the_graph_is_no_member_of_a_blend() -> None:
    member = "{weight: 1, model: {kind: graph_cf}, training: {objective: {kind: lightgcn}}}"
    first = "{weight: 1, model: {kind: sasrec}, training: {}}"
    text = f"description: mine\nmodel: {{kind: blend, members: [{first}, {member}]}}\n"
    with pytest.raises(InputError, match=r"members\.1\.model: .*'learn', 'sasrec'"):
        load_recipe(text)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("init: {strategy: full}", ["full takes all dimensions", "dim must be null"]),
        ("init: {strategy: pca, replacement: true}", ["replacement is for strategy random"]),
        ("init: {strategy: pca, popular_share: 0.3}", ["popular_share is for strategy variance"]),
        ("init: {strategy: xavier, centre: true}", ["xavier doesn't"]),
        ("init: {strategy: best}", ["strategy", "best"]),
        ("init: {popular_share: .nan}", ["popular_share"]),
        ("num_layers: -1", ["num_layers", "greater than or equal to 0"]),
        ("dim: 0", ["dim", "greater than 0"]),
        ("temperature: 0.1", ["temperature", "Extra inputs"]),
    ],
)
def test_a_contradiction_within_the_model_is_refused(model: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(text_of(f"kind: graph_cf, {model}"))
    assert [part for part in ["model", *parts] if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("training", "parts"),
    [
        ("objective: {kind: sgl, drop_share: 1}", ["drop_share", "less than 1"]),
        ("objective: {kind: sgl, drop_share: 0}", ["drop_share", "greater than 0"]),
        ("objective: {kind: sgl, contrast_weight: .inf}", ["contrast_weight", "finite"]),
        ("objective: {kind: sgcl, temperature: 0}", ["temperature", "greater than 0"]),
        ("objective: {kind: sgcl, negatives: others}", ["negatives", "Extra inputs"]),
        ("objective: {kind: lightgcn, penalty: -1}", ["penalty", "greater than or equal to 0"]),
        ("objective: {kind: lightgcn}, weight_decay: 1", ["weight_decay", "Extra inputs"]),
        ("objective: {kind: lightgcn}, batch_size: 0", ["batch_size", "greater than 0"]),
        ("objective: {kind: lightgcn}, learning_rate: .inf", ["learning_rate", "finite"]),
        ("objective: {kind: lightgcn}, seed: -1", ["seed", "greater than or equal to 0"]),
    ],
)
def test_a_mistake_in_the_training_is_named(training: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(text_of("kind: graph_cf, cosine: true", training))
    assert [part for part in ["training", *parts] if part not in str(caught.value)] == []


@pytest.mark.parametrize("kind", ["lightgcn", "sgl", "sgcl"])
def test_another_seed_changes_that_alone(kind: str) -> None:
    model = f"kind: graph_cf, cosine: {str(kind == 'sgcl').lower()}, init: {{strategy: random}}"
    recipe = load_recipe(text_of(model, f"objective: {{kind: {kind}}}, epochs: 3"))
    other = recipe.with_seed(41)
    assert other.training == recipe.training.model_copy(update={"seed": 41})
    assert other.model == recipe.model
    assert type(other) is Recipe
    assert recipe.training.seed == 0
    assert other.with_seed(0) == recipe


def test_a_recipe_made_in_python_is_as_one_that_is_read() -> None:
    training = GraphTrainingConfig(objective=SGLLoss(), epochs=5)
    recipe = Recipe(description="mine", model=GraphCFConfig(), training=training)
    text = text_of(training="objective: {kind: sgl}, epochs: 5")
    assert recipe == load_recipe(text)
    assert recipe.with_seed(7).training == training.model_copy(update={"seed": 7})
    with pytest.raises(ValueError, match="graph_cf must be lightgcn or sgl or sgcl"):
        Recipe(description="mine", model=GraphCFConfig(), training=TrainingConfig())


def test_it_knows_how_many_epochs_it_takes_at_most() -> None:
    assert load_recipe(text_of(training="objective: {kind: sgl}, epochs: 5")).num_epochs == 5


def test_written_down_it_is_read_again_as_it_was() -> None:
    recipe = load_recipe(text_of(training="objective: {kind: sgl, contrast: batch}, seed: 3"))
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_what_a_model_keeps_of_its_settings_is_read_again(name: str) -> None:
    """A dump has all defaults in it, which must not count as asked for."""
    model = load_recipe(name).model
    assert type(model).model_validate(model.model_dump(mode="json")) == model
