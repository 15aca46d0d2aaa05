"""A blend's members are trained each for itself, go on after an interruption, and repeat."""

from pathlib import Path

import pytest
import torch

from tests.conftest import Run
from tests.unit.training.circle import same_weights
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models.blend import Blend
from towerflow.models.learn import Learn
from towerflow.models.sasrec import SASRec
from towerflow.recipes import BlendConfig, Recipe, parse_recipe
from towerflow.schema import Split
from towerflow.training import loop
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.fit import Fitting, fit

SIZES = "width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dropout: 0.2"
LEARN = f"{{kind: learn, {SIZES}, dim: 8, item_input: content_id, input_dropout: 0.1}}"
SASREC = f"{{kind: sasrec, {SIZES}}}"
STEPS = "batch_size: 16, learning_rate: 0.005"
FIRST = f"{{epochs: 2, {STEPS}, weight_decay: 0.1}}"
SECOND = f"{{epochs: 3, {STEPS}, seed: 6}}"
BLEND = f"""
description: of a test
model:
  kind: blend
  members:
    - {{weight: 0.7, model: {LEARN}, training: {FIRST}}}
    - {{weight: 0.3, model: {SASREC}, training: {SECOND}}}
"""
RECIPE = parse_recipe(BLEND, "recipe")


@pytest.fixture(scope="module")
def on(shop_run: Run) -> Fitting:
    """The shop."""
    data = Dataset.open(shop_run.dataset)
    content = ItemEmbeddings.open_for(shop_run.item_embeddings, data.content_hash, data.num_items)
    return Fitting(data, content.embeddings)


@pytest.fixture(scope="module")
def whole(on: Fitting) -> tuple[Blend, dict[str, list[Epoch]]]:
    """Fitted without an interruption."""
    return fitted(RECIPE, on)


def fitted(recipe: Recipe, on: Fitting) -> tuple[Blend, dict[str, list[Epoch]]]:
    model, curves = fit(recipe, on)
    assert isinstance(model, Blend)
    return model, curves


def same_members(one: Blend, other: Blend) -> list[bool]:
    """To the bit, one by one."""
    return [same_weights(*pair) for pair in zip(one.members, other.members, strict=True)]


def test_its_members_are_what_they_are_when_trained_alone(
    on: Fitting, whole: tuple[Blend, dict[str, list[Epoch]]]
) -> None:
    blend, curves = whole
    assert blend.weights == [0.7, 0.3]
    assert [type(member) for member in blend.members] == [Learn, SASRec]
    assert not any(member.training for member in blend.members)
    assert list(curves) == ["1. learn", "2. sasrec"]
    kinds = zip(((LEARN, FIRST), (SASREC, SECOND)), blend.members, curves.items(), strict=True)
    for (model, training), member, (name, curve) in kinds:
        text = f"description: alone\nmodel: {model}\ntraining: {training}"
        alone, its_curves = fit(parse_recipe(text, "recipe"), on)
        assert isinstance(alone, Learn | SASRec)
        assert same_weights(alone, member)
        assert its_curves == {name.split()[1]: curve}


def test_members_of_the_same_kind_have_curves_of_their_own(on: Fitting) -> None:
    twice = BLEND.replace(SASREC, LEARN)
    blend, curves = fitted(parse_recipe(twice, "recipe"), on)
    assert {name: len(curve) for name, curve in curves.items()} == {"1. learn": 2, "2. learn": 3}
    assert not same_weights(*blend.members)


def test_it_learns(on: Fitting, whole: tuple[Blend, dict[str, list[Epoch]]]) -> None:
    blend, curves = whole
    assert all(curve[-1].loss < curve[0].loss for curve in curves.values())
    histories = on.dataset.lists(Split.TRAIN)
    users = blend.user_vectors(histories, on.embeddings)
    scores = users @ blend.item_vectors(on.embeddings).T
    assert scores.shape == (on.dataset.num_users, on.dataset.num_items)
    assert scores.isfinite().all()


def test_the_same_seed_repeats_and_another_reaches_every_member(
    on: Fitting, whole: tuple[Blend, dict[str, list[Epoch]]]
) -> None:
    torch.manual_seed(123)  # what was drawn before must not matter
    again, curves = fitted(RECIPE, on)
    assert same_members(again, whole[0]) == [True, True]
    assert curves == whole[1]
    assert same_members(fitted(RECIPE.with_seed(8), on)[0], whole[0]) == [False, False]


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_an_interrupted_blend_goes_on_where_it_was(
    on: Fitting,
    whole: tuple[Blend, dict[str, list[Epoch]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    """Of five epochs, the first two are the first member's."""
    checkpoint = Checkpoint(str(tmp_path / "state.safetensors"))
    told: list[Epoch] = []

    def stop(epoch: Epoch) -> None:
        told.append(epoch)
        if len(told) == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(RECIPE, Fitting(on.dataset, on.embeddings, None, checkpoint, stop))
    parts = ["state-1.safetensors", "state-2.safetensors"][: 1 if after <= 2 else 2]
    assert sorted(file.name for file in tmp_path.iterdir()) == parts
    trained: list[int] = []
    run_epoch = loop._run_epoch

    def count(number: int, *rest: object) -> float:
        trained.append(number)
        return run_epoch(number, *rest)

    monkeypatch.setattr(loop, "_run_epoch", count)
    torch.manual_seed(321)
    told_again: list[Epoch] = []
    goes_on = Fitting(on.dataset, on.embeddings, None, checkpoint, told_again.append)
    again, curves = fitted(RECIPE, goes_on)
    assert trained == [1, 2, 1, 2, 3][after:]
    assert same_members(again, whole[0]) == [True, True]
    assert curves == whole[1]
    assert told_again == [epoch for curve in curves.values() for epoch in curve]
    checkpoint.delete(num_parts=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("epochs", ["epochs: 2", "epochs: 3"])
def test_a_member_without_epochs_is_refused(on: Fitting, epochs: str) -> None:
    text = BLEND.replace(epochs, "epochs: 0")
    with pytest.raises(InputError, match=r"training\.epochs: expected 0 with an initial model"):
        fit(parse_recipe(text, "recipe"), on)


def test_an_initial_model_is_refused(on: Fitting, whole: tuple[Blend, object]) -> None:
    for initial in (whole[0], whole[0].members[0]):
        start = Fitting(on.dataset, on.embeddings, initial)
        with pytest.raises(InputError, match=r"initial_model: expected none, .* of kind blend"):
            fit(RECIPE, start)


def test_a_blend_is_no_initial_model(on: Fitting, whole: tuple[Blend, object]) -> None:
    text = f"description: goes on\nmodel: {{kind: learn, {SIZES}}}\ntraining: {{epochs: 1}}"
    with pytest.raises(InputError, match="expected a model of kind learn, found blend"):
        fit(parse_recipe(text, "recipe"), Fitting(on.dataset, on.embeddings, whole[0]))


def test_the_recipe_is_what_this_test_says() -> None:
    assert isinstance(RECIPE.model, BlendConfig)
    assert RECIPE.num_epochs == 5
