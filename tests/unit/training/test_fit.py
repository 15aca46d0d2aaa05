"""From a recipe to a model of its kind; an initial model that does not fit is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import SMALL_RECIPE, Run
from tests.unit.training.circle import same_weights
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models.content_mean import ContentMean
from towerflow.models.item_to_item import ItemToItem
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec
from towerflow.models.standardise import Standardise
from towerflow.recipes import parse_recipe
from towerflow.schema import Split
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.fit import Curves, Fitting, fit

LEARN = "kind: learn, width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dim: 8"
SASREC = "kind: sasrec, width: 16, num_layers: 1, num_heads: 2, feedforward: 32"
STANDING_STILL = "epochs: 1, learning_rate: 1.0e-30"
Inputs = tuple[Dataset, Tensor]


@pytest.fixture(scope="module")
def inputs(shop_run: Run) -> Inputs:
    data = Dataset.open(shop_run.dataset)
    content = ItemEmbeddings.open_for(shop_run.item_embeddings, data.content_hash, data.num_items)
    return data, content.embeddings


def made(
    inputs: Inputs, model: str, training: str = "epochs: 1", initial: RetrievalModel | None = None
) -> tuple[RetrievalModel, Curves]:
    """Fit a recipe that is given as its YAML; only towers are trained."""
    text = f"description: of a test\nmodel: {{{model}}}\n"
    if model.startswith(("kind: learn", "kind: sasrec")):
        text += f"training: {{{training}}}\n"
    return fit(parse_recipe(text, "recipe"), Fitting(*inputs, initial))


def learn(
    inputs: Inputs,
    model: str = LEARN,
    training: str = "epochs: 1",
    initial: RetrievalModel | None = None,
) -> Learn:
    fitted, _ = made(inputs, model, training, initial)
    assert isinstance(fitted, Learn)
    return fitted


@pytest.mark.parametrize(
    ("model", "kind", "epochs"),
    [
        ("kind: popularity", Popularity, {}),
        ("kind: content_mean", ContentMean, {}),
        ("kind: item_knn", ItemToItem, {}),
        ("kind: ease", ItemToItem, {}),
        (SASREC, SASRec, {"sasrec": [1]}),
        (LEARN, Learn, {"learn": [1]}),
    ],
)
def test_every_recipe_gives_a_model_of_its_kind_and_a_curve_if_it_is_trained(
    inputs: Inputs, model: str, kind: type[RetrievalModel], epochs: dict[str, list[int]]
) -> None:
    fitted, curves = made(inputs, model)
    assert type(fitted) is kind
    numbers = {name: [epoch.number for epoch in curve] for name, curve in curves.items()}
    assert numbers == epochs
    assert fitted.item_vectors(inputs[1]).shape[0] == inputs[0].num_items


def test_the_two_matrices_of_items_are_not_the_same(inputs: Inputs) -> None:
    matrices = [made(inputs, f"kind: {kind}")[0].tensors() for kind in ("item_knn", "ease")]
    assert not torch.allclose(matrices[0]["weights"], matrices[1]["weights"])


@pytest.mark.parametrize("standardise", [True, False])
def test_embeddings_are_standardised_by_the_catalogue_if_that_is_asked(
    inputs: Inputs, standardise: bool
) -> None:
    embeddings = inputs[1]
    model = learn(inputs, f"{LEARN}, standardise: {str(standardise).lower()}")
    expected = Standardise.fit(embeddings) if standardise else Standardise(embeddings.shape[1])
    assert torch.equal(model.standardise.mean, expected.mean)
    assert torch.equal(model.standardise.scale, expected.scale)


@pytest.mark.parametrize("model", [LEARN, SASREC])
def test_first_weights_hang_on_the_seed_alone(inputs: Inputs, model: str) -> None:
    """Steps of next to nothing leave them as they are."""
    fitted = []
    for drawn_before, seed in ((1, 7), (2, 7), (1, 8)):
        torch.manual_seed(drawn_before)
        fitted.append(made(inputs, model, f"{STANDING_STILL}, seed: {seed}")[0].tensors())
    first, again, other = fitted
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())


@pytest.mark.parametrize(("split", "teaches"), [(Split.TRAIN, True), (Split.TEST, False)])
@pytest.mark.parametrize("model", [LEARN, SASREC, "kind: popularity", "kind: ease"])
def test_only_the_training_split_teaches(
    inputs: Inputs, model: str, split: Split, teaches: bool
) -> None:
    data, embeddings = inputs
    shifted = np.where(data.split == split.value, (data.item_index + 1) % 50, data.item_index)
    other = replace(data, item_index=shifted)
    one, changed = (made((d, embeddings), model)[0].tensors() for d in (data, other))
    assert any(not torch.equal(tensor, changed[name]) for name, tensor in one.items()) == teaches


def test_validation_chooses_and_does_not_teach(inputs: Inputs) -> None:
    data, embeddings = inputs
    is_validation = data.split == Split.VALIDATION.value
    shifted = np.where(is_validation, (data.item_index + 1) % 50, data.item_index)
    other = replace(data, item_index=shifted)
    assert same_weights(learn(inputs), learn((other, embeddings)))  # the one epoch there is


def test_no_epochs_leave_the_weights_of_the_initial_model(inputs: Inputs) -> None:
    initial = learn(inputs, training="epochs: 2, seed: 5")
    again = learn(inputs, training="epochs: 0", initial=initial)
    assert same_weights(again, initial)


def test_what_standardises_embeddings_comes_with_the_initial_model(inputs: Inputs) -> None:
    """Its weights were learnt on embeddings that were centred so, whatever the new catalogue is."""
    data, embeddings = inputs
    initial = learn(inputs)
    again = learn((data, embeddings * 2 + 1), initial=initial)
    assert torch.equal(again.standardise.mean, embeddings.mean(dim=0))
    assert not same_weights(again, initial)  # it did train


def test_training_starts_from_the_initial_model(inputs: Inputs) -> None:
    """A step of next to nothing stays next to it."""
    initial = learn(inputs, training="epochs: 2, seed: 5")
    again = learn(inputs, training="epochs: 1, learning_rate: 1.0e-9", initial=initial)
    for name, tensor in again.tensors().items():
        torch.testing.assert_close(tensor, initial.tensors()[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "changed",
    ["dropout: 0.4", "attention_dropout: 0.2", "input_dropout: 0.3", "temperature: 0.1"],
)
def test_what_shapes_no_weight_may_differ(inputs: Inputs, changed: str) -> None:
    initial = learn(inputs)
    again = learn(inputs, f"{LEARN}, {changed}", "epochs: 0", initial)
    assert same_weights(again, initial)


@pytest.mark.parametrize(
    ("setting", "theirs", "ours"),
    [
        ("width", "16", "32"),
        ("num_layers", "1", "2"),
        ("num_heads", "2", "4"),
        ("feedforward", "32", "64"),
        ("dim", "8", "16"),
        ("max_history", "50", "20"),
        ("positions", "none", "learned"),
        ("standardise", "True", "False"),
    ],
)
def test_a_setting_that_differs_is_named_with_both_values(
    inputs: Inputs, setting: str, theirs: str, ours: str
) -> None:
    settings = dict(pair.split(": ") for pair in LEARN.split(", ")) | {setting: ours}
    model = ", ".join(f"{name}: {value}" for name, value in settings.items())
    with pytest.raises(InputError) as caught:
        learn(inputs, model, initial=learn(inputs))
    assert str(caught.value) == (
        f"recipe: model.{setting}: expected {theirs}, as the initial model has it, found {ours}."
    )


def test_an_item_tower_that_differs_is_named_too(inputs: Inputs) -> None:
    training = "epochs: 1, objective: {kind: all_action}"
    with pytest.raises(InputError, match=r"model\.item_tower: expected single, .*found sequence"):
        learn(inputs, f"{LEARN}, item_tower: sequence", training, learn(inputs))


@pytest.mark.parametrize("item_input", ["id", "content_id"])
def test_a_recipe_with_ids_takes_no_initial_model(inputs: Inputs, item_input: str) -> None:
    model = f"{LEARN}, item_input: {item_input}"
    with pytest.raises(InputError, match=r"model\.item_input: expected content, .* no ids of this"):
        learn(inputs, model, initial=learn(inputs, model))
    with pytest.raises(InputError, match=rf"model\.item_input: .*found {item_input}"):
        learn(inputs, model, initial=learn(inputs))


def test_an_initial_model_with_ids_is_refused(inputs: Inputs) -> None:
    with pytest.raises(InputError, match=r"model\.item_input: expected content_id, as the initial"):
        learn(inputs, initial=learn(inputs, f"{LEARN}, item_input: content_id"))


@pytest.mark.parametrize("kind", ["popularity", "content_mean", "ease"])
def test_an_initial_model_of_another_kind_is_refused(inputs: Inputs, kind: str) -> None:
    initial, _ = made(inputs, f"kind: {kind}")
    with pytest.raises(InputError) as caught:
        learn(inputs, initial=initial)
    expected = f"initial_model: expected a model of kind learn, found {initial.kind}."
    assert str(caught.value) == expected


@pytest.mark.parametrize("model", [SASREC, "kind: popularity", "kind: ease"])
def test_a_recipe_that_can_not_start_from_a_model_refuses_one(inputs: Inputs, model: str) -> None:
    initial = learn(inputs)
    with pytest.raises(InputError, match="initial_model"):
        made(inputs, model, initial=initial)


@pytest.mark.parametrize("initial", [False, True])
def test_no_epochs_are_for_an_initial_model_alone(inputs: Inputs, initial: bool) -> None:
    if initial:
        assert learn(inputs, training="epochs: 0", initial=learn(inputs))
        return
    for model in (LEARN, SASREC):
        with pytest.raises(InputError, match=r"training\.epochs: expected 0 with an initial model"):
            made(inputs, model, "epochs: 0")


def test_an_interrupted_fit_goes_on(inputs: Inputs, tmp_path: Path) -> None:
    recipe = parse_recipe(SMALL_RECIPE.replace("epochs: 60", "epochs: 3"), "recipe")
    checkpoint = Checkpoint(str(tmp_path / "state"))

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(recipe, Fitting(*inputs, checkpoint=checkpoint, on_epoch=stop))
    told: list[Epoch] = []
    goes_on = Fitting(*inputs, checkpoint=checkpoint, on_epoch=told.append)
    again, curves = fit(recipe, goes_on)
    whole, its_curves = fit(recipe, Fitting(*inputs))
    assert curves == its_curves == {"learn": told}
    assert isinstance(again, Learn)
    assert isinstance(whole, Learn)
    assert same_weights(again, whole)
