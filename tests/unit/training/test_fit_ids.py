"""Items that nobody took in training have no id: their content is all that a model knows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import Run
from tests.unit.training.circle import CONFIG as CIRCLE
from tests.unit.training.circle import EMBEDDINGS, NUM_ITEMS, new_model, train
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import ItemInput, Learn
from towerflow.recipes import parse_recipe
from towerflow.schema import Split
from towerflow.training.candidates import CandidateItems
from towerflow.training.config import SoftmaxConfig, TrainingConfig
from towerflow.training.examples import NextItemBatch
from towerflow.training.fit import Fitting, fit
from towerflow.training.ranks import Ranks
from towerflow.training.step import TrainingStep

UNTAKEN = [3, 17]
RECIPE = """
description: of a test
model: {kind: learn, width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dim: 8,
  item_input: INPUT}
training: {epochs: 2, batch_size: 16, learning_rate: 0.005, weight_decay: 0.1}
"""


@pytest.fixture(scope="module")
def on(shop_run: Run) -> Fitting:
    """The shop, where nobody takes two items in training but somebody does later."""
    data = Dataset.open(shop_run.dataset)
    is_training = data.split == Split.TRAIN.value
    moved = np.where(is_training & np.isin(data.item_index, UNTAKEN), 4, data.item_index)
    moved[np.flatnonzero(~is_training)[:2]] = UNTAKEN
    content = ItemEmbeddings.open_for(shop_run.item_embeddings, data.content_hash, data.num_items)
    return Fitting(replace(data, item_index=moved), content.embeddings)


def fitted(on: Fitting, item_input: str) -> Learn:
    model, _ = fit(parse_recipe(RECIPE.replace("INPUT", item_input), "recipe"), on)
    assert isinstance(model, Learn)
    return model


def content_of(model: Learn) -> Learn:
    """The same weights, without ids."""
    settings = model.settings.model_copy(update={"item_input": ItemInput.CONTENT})
    only = Learn(settings, model.embedding_dim, 0)
    weights = model.state_dict()
    only.load_state_dict({name: weights[name] for name in only.state_dict()})
    return only.eval()


def test_they_have_exactly_the_vector_of_their_content(on: Fitting) -> None:
    counts = np.bincount(on.dataset.lists(Split.TRAIN).items, minlength=on.dataset.num_items)
    untaken = torch.from_numpy(counts == 0)
    assert untaken[UNTAKEN].all()
    model = fitted(on, "content_id")
    vectors = model.item_vectors(on.embeddings)
    content = content_of(model).item_vectors(on.embeddings)
    assert torch.equal(vectors[untaken], content[untaken])
    assert not (vectors[~untaken] == content[~untaken]).all(dim=1).any()
    rows = model.item_ids.weight
    assert not rows[-1].any()
    assert not rows[:-1][untaken].any(), "as they began"
    assert rows[:-1][~untaken].any(dim=1).all()


def test_by_ids_alone_they_are_all_the_same(on: Fitting) -> None:
    model = fitted(on, "id")
    vectors = model.item_vectors(on.embeddings)
    assert torch.equal(vectors[UNTAKEN[0]], vectors[UNTAKEN[1]])
    assert not model.item_ids.weight[-1].any()


def test_users_who_took_them_are_read_by_their_content(on: Fitting) -> None:
    model = fitted(on, "content_id")
    taken = ItemLists.from_lists([UNTAKEN, UNTAKEN[:1]])
    expected = content_of(model).user_vectors(taken, on.embeddings)
    assert torch.equal(model.user_vectors(taken, on.embeddings), expected)


def test_no_step_moves_the_row_of_the_unknown() -> None:
    """Item 5 is in histories and among targets and candidates; it has no id nevertheless."""
    model = new_model(CIRCLE.model_copy(update={"item_input": ItemInput.CONTENT_ID}))
    known = np.ones(NUM_ITEMS, dtype=bool)
    known[[5, 9]] = False
    model.know_ids_of(known)
    batch = NextItemBatch(
        ItemLists.from_lists([[4, 5], [5, 6, 1]]), np.arange(5), np.array([5, 6, 6, 1, 2])
    )
    step = TrainingStep(model, EMBEDDINGS, Ranks(), SoftmaxConfig())
    step(batch, CandidateItems(np.arange(NUM_ITEMS), batch.targets)).backward()
    gradient = model.item_ids.weight.grad
    assert gradient is not None
    assert not gradient[NUM_ITEMS].any()
    assert gradient[:NUM_ITEMS].any(dim=1).tolist() == known.tolist()


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_after_training_it_is_zero_still(weight_decay: float) -> None:
    model = new_model(CIRCLE.model_copy(update={"item_input": ItemInput.ID}))
    known = np.arange(NUM_ITEMS) != 5
    model.know_ids_of(known)
    training = TrainingConfig(
        epochs=2, batch_size=40, learning_rate=0.01, weight_decay=weight_decay
    )
    before = model.item_ids.weight.detach().clone()
    train(training, model=model)
    moved = (model.item_ids.weight != before).any(dim=1)
    assert moved[:NUM_ITEMS][torch.from_numpy(known)].all()
    assert not model.item_ids.weight[NUM_ITEMS].any()
    assert model.id_rows.tolist() == np.where(known, np.arange(NUM_ITEMS), NUM_ITEMS).tolist()
