"""From a recipe on the graph to its model: every loss and every beginning, on the shop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import Run
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.evaluation.protocol import evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.models.adjacency import Edges
from towerflow.models.connector import Ridge
from towerflow.models.graph_cf import GraphCF
from towerflow.models.llm_init import InitConfig, first_tables
from towerflow.models.popularity import Popularity
from towerflow.recipes import parse_recipe
from towerflow.schema import Split
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.fit import Curves, Fitting, fit
from towerflow.training.ranks import Ranks

UNTAKEN = [3, 17]
OBJECTIVES = ["lightgcn", "sgl", "sgcl"]
every_objective = pytest.mark.parametrize("objective", OBJECTIVES)
STRATEGIES = {
    "uniform": "strategy: uniform",
    "random": "strategy: random",
    "variance": "strategy: variance",
    "pca": "strategy: pca",
    "xavier": "strategy: xavier",
    "scaled": "strategy: uniform, scale: matched_std, centre: true",
}


@pytest.fixture(scope="module")
def on(shop_run: Run) -> Fitting:
    """The shop, where nobody takes two items in training but somebody does later."""
    data = Dataset.open(shop_run.dataset)
    is_training = data.split == Split.TRAIN.value
    moved = np.where(is_training & np.isin(data.item_index, UNTAKEN), 4, data.item_index)
    moved[np.flatnonzero(~is_training)[:2]] = UNTAKEN
    content = ItemEmbeddings.open_for(shop_run.item_embeddings, data.content_hash, data.num_items)
    return Fitting(replace(data, item_index=moved), content.embeddings)


def text_of(
    objective: str = "lightgcn", epochs: int = 2, model: str = "dim: 8", training: str = "seed: 0"
) -> str:
    cosine = str(objective == "sgcl").lower()
    return f"""
description: of a test
model: {{kind: graph_cf, cosine: {cosine}, {model}}}
training: {{objective: {{kind: {objective}}}, epochs: {epochs}, batch_size: 32,
  learning_rate: 0.01, {training}}}
"""


def fitted(on: Fitting, text: str) -> tuple[GraphCF, Curves]:
    model, curves = fit(parse_recipe(text, "recipe"), on)
    assert isinstance(model, GraphCF)
    return model, curves


def edges_of(on: Fitting) -> Edges:
    return Edges.of(on.dataset.lists(Split.TRAIN), on.dataset.num_items)


def table_of(model: GraphCF) -> Tensor:
    tensors = model.tensors()
    return torch.cat([tensors["user_table"], tensors["item_table"]])


def same_tensors(one: GraphCF, other: GraphCF) -> bool:
    """To the bit."""
    theirs = other.tensors()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.tensors().items())


@every_objective
@pytest.mark.parametrize("connector", ["true", "false"])
def test_every_loss_gives_a_model_and_a_curve(on: Fitting, objective: str, connector: str) -> None:
    model, curves = fitted(on, text_of(objective, 6, f"dim: 8, connector: {connector}"))
    assert list(curves) == [objective]
    assert [epoch.number for epoch in curves[objective]] == [1, 2, 3, 4, 5, 6]
    assert curves[objective][-1].loss < curves[objective][0].loss
    assert model.item_vectors(on.embeddings).shape == (on.dataset.num_items, 8)
    assert model.serves_new_items == (connector == "true")
    assert all(tensor.isfinite().all() for tensor in model.tensors().values())


@every_objective
def test_every_loss_learns_more_than_what_is_popular(on: Fitting, objective: str) -> None:
    model, _ = fitted(on, text_of(objective, 30))
    popularity = Popularity.fit(on.dataset.lists(Split.TRAIN), on.dataset.num_items)
    found, least = (
        evaluate_model(one, on.embeddings, task(on.dataset, Split.TEST), (10,)).means()["ndcg@10"]
        for one in (model, popularity)
    )
    assert found > 1.5 * least


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_an_epoch_the_tables_are_where_the_recipe_begins(on: Fitting, name: str) -> None:
    init = f"dim: 5, init: {{{STRATEGIES[name]}}}"
    model, curves = fitted(on, text_of(epochs=0, model=init, training="seed: 4"))
    config = InitConfig.model_validate(dict(p.split(": ") for p in STRATEGIES[name].split(", ")))
    has_text, rng = np.ones(on.dataset.num_items, dtype=bool), np.random.default_rng(4)
    first = first_tables(config, 5, on.embeddings, has_text, edges_of(on), rng)
    assert curves == {"lightgcn": []}
    assert torch.equal(table_of(model), first.table)


def test_full_begins_with_whole_embeddings(on: Fitting) -> None:
    init = "dim: null, init: {strategy: full}"
    model, _ = fitted(on, text_of(epochs=0, model=init))
    assert torch.equal(model.tensors()["item_table"], on.embeddings)


def test_training_moves_the_rows_from_there(on: Fitting) -> None:
    first, second = (fitted(on, text_of(epochs=epochs))[0] for epochs in (0, 1))
    moved = (table_of(first) - table_of(second)).abs().max()
    assert 0 < moved < 0.2  # a few steps of 0.01


def test_embeddings_stay_as_they_are(on: Fitting) -> None:
    before = on.embeddings.clone()
    fitted(on, text_of(model="dim: null, init: {strategy: full}"))
    assert torch.equal(on.embeddings, before)


def test_more_dimensions_than_an_embedding_has_are_refused(on: Fitting) -> None:
    with pytest.raises(InputError, match=r"model\.dim: expected at most the 16.*found 17"):
        fitted(on, text_of(model="dim: 17"))
    longer, _ = fitted(on, text_of(model="dim: 17, init: {strategy: xavier}"))
    assert longer.item_vectors(on.embeddings).shape[1] == 17


def test_the_connector_is_taught_by_what_was_trained_and_serves_the_others(on: Fitting) -> None:
    with_one, _ = fitted(on, text_of())
    without, _ = fitted(on, text_of(model="dim: 8, connector: false"))
    warm = np.flatnonzero(edges_of(on).item_degrees())
    assert sorted(set(range(on.dataset.num_items)) - set(warm)) == UNTAKEN
    vectors = without.item_vectors(on.embeddings)
    found = with_one.item_vectors(on.embeddings)
    assert torch.equal(found[warm], vectors[warm])
    expected = Ridge.of(on.embeddings[warm]).fit(vectors[warm])(on.embeddings[UNTAKEN])
    torch.testing.assert_close(found[UNTAKEN], expected)
    assert not torch.allclose(found[UNTAKEN], vectors[UNTAKEN], atol=1e-3)


def test_by_cosine_the_connector_learns_unit_vectors_and_gives_them(on: Fitting) -> None:
    model, _ = fitted(on, text_of("sgcl"))
    found = model.item_vectors(on.embeddings)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)))
    warm = np.flatnonzero(edges_of(on).item_degrees())
    said = Ridge.of(on.embeddings[warm]).fit(found[warm])(on.embeddings[UNTAKEN])
    torch.testing.assert_close(found[UNTAKEN], said / said.norm(dim=1, keepdim=True))


def test_an_item_without_text_begins_as_the_mean_and_teaches_no_connector(on: Fitting) -> None:
    texts = list(on.dataset.texts)
    texts[5] = ""
    wild = on.embeddings.clone()
    wild[5] = 1000.0
    without = replace(on, dataset=replace(on.dataset, texts=texts), embeddings=wild)
    init = "dim: 8, init: {strategy: uniform}"
    model, _ = fitted(without, text_of(epochs=0, model=init))
    items = model.tensors()["item_table"]
    others = [item for item in range(len(items)) if item != 5]
    torch.testing.assert_close(items[5], items[others].mean(dim=0))
    assert torch.equal(items[others], wild[others][:, ::2])
    vectors = model.item_vectors(wild)
    teaching = [item for item in others if item not in UNTAKEN]
    expected = Ridge.of(wild[teaching]).fit(vectors[teaching])(wild[UNTAKEN])
    torch.testing.assert_close(vectors[UNTAKEN], expected)


def test_the_model_says_how_many_rows_began_as_the_mean(on: Fitting) -> None:
    data = on.dataset
    without_text = replace(on, dataset=replace(data, texts=["", "", *data.texts[2:]]))
    model, _ = fitted(without_text, text_of(epochs=0))
    assert model.fallbacks == {"items_without_text": 2, "users_without_history": 0}
    assert GraphCF.restore(model.config(), model.tensors()).fallbacks == model.fallbacks
    is_mine = (data.user_index == 3) & (data.split == Split.TRAIN.value)
    later = np.where(is_mine, Split.TEST.value, data.split)
    model, _ = fitted(replace(on, dataset=replace(data, split=later)), text_of(epochs=0))
    assert model.fallbacks == {"items_without_text": 0, "users_without_history": 1}
    model, _ = fitted(without_text, text_of(epochs=0, model="dim: 8, init: {strategy: xavier}"))
    assert not any(model.fallbacks.values())


def test_where_nothing_that_was_taken_has_text_there_is_no_connector(on: Fitting) -> None:
    texts = [text if item in UNTAKEN else "" for item, text in enumerate(on.dataset.texts)]
    without = replace(on, dataset=replace(on.dataset, texts=texts))
    model, _ = fitted(without, text_of())
    assert not model.serves_new_items
    assert model.item_vectors(on.embeddings).isfinite().all()


@every_objective
def test_the_same_seed_gives_the_same_model_to_the_bit(on: Fitting, objective: str) -> None:
    text = text_of(objective, model="dim: 8, init: {strategy: random}", training="seed: 7")
    one, again = fitted(on, text)[0], fitted(on, text)[0]
    other = fitted(on, text.replace("seed: 7", "seed: 8"))[0]
    assert same_tensors(one, again)
    assert not same_tensors(one, other)


@every_objective
def test_an_interrupted_fit_goes_on(on: Fitting, tmp_path: Path, objective: str) -> None:
    text, checkpoint = text_of(objective, 3), Checkpoint(str(tmp_path / "state"))

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fitted(replace(on, checkpoint=checkpoint, on_epoch=stop), text)
    told: list[Epoch] = []
    again, curves = fitted(replace(on, checkpoint=checkpoint, on_epoch=told.append), text)
    whole, its_curves = fitted(on, text)
    assert curves == its_curves == {objective: told}
    assert same_tensors(again, whole)
    done, curves = fitted(replace(on, checkpoint=checkpoint), text_of(objective, 1))
    assert curves == its_curves  # it is read, and nothing is trained again
    assert same_tensors(done, whole)


@pytest.mark.parametrize(("split", "teaches"), [(Split.TRAIN, True), (Split.TEST, False)])
def test_only_the_training_split_teaches(on: Fitting, split: Split, teaches: bool) -> None:
    data = on.dataset
    shifted = np.where(data.split == split.value, (data.item_index + 1) % 50, data.item_index)
    other = replace(on, dataset=replace(data, item_index=shifted))
    one, changed = fitted(on, text_of())[0], fitted(other, text_of())[0]
    assert same_tensors(one, changed) != teaches


def test_validation_may_rank_what_was_taken_again(on: Fitting) -> None:
    """It is harder then, and teaches nothing: the losses are the same."""
    hidden, shown = (
        fitted(on, text_of(epochs=3, training=f"hide_history: {hide}"))[1]["lightgcn"]
        for hide in ("true", "false")
    )
    assert [epoch.loss for epoch in hidden] == [epoch.loss for epoch in shown]
    pairs = zip(hidden, shown, strict=True)
    assert all(one.validation > other.validation for one, other in pairs)
    assert hidden == fitted(on, text_of(epochs=3))[1]["lightgcn"]


def test_a_training_split_without_interactions_is_refused(on: Fitting) -> None:
    data = on.dataset
    later = np.full_like(data.split, Split.TEST.value)
    for init in ("strategy: variance", "strategy: xavier"):
        text = text_of(model=f"dim: 8, init: {{{init}}}")
        with pytest.raises(InputError, match=r"the training split: .*found none"):
            fitted(replace(on, dataset=replace(data, split=later)), text)


def test_it_can_not_start_from_a_model(on: Fitting) -> None:
    initial, _ = fitted(on, text_of())
    with pytest.raises(InputError, match=r"initial_model: .*found a recipe of kind graph_cf"):
        fitted(replace(on, initial=initial), text_of())


def test_several_processes_can_not_train_it(on: Fitting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "current", classmethod(lambda cls: cls(0, 2)))
    with pytest.raises(InputError, match=r"model\.kind: .*several.*found graph_cf.*torchrun"):
        fitted(on, text_of())
