"""A model read back scores as it did, with its own settings."""

import json
from pathlib import Path

import pytest
import torch

from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import CONFIG_FILE, MODELS, load_model, save_model
from towerflow.models.item_to_item import EaseConfig, ItemKNNConfig, ItemToItem
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.models.standardise import Standardise

HISTORIES = ItemLists.from_lists([[0, 1, 2, 5], [3], []])
NUM_KNOWN = 5  # of the six
EMBEDDINGS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 2 + 1
SIZES = {"width": 8, "num_layers": 1, "num_heads": 4, "feedforward": 6, "max_history": 2}


def learn(**settings: object) -> Learn:
    """Random weights, ids too, and the scale of a catalogue."""
    torch.manual_seed(1)
    config = LearnConfig.model_validate(SIZES | {"dim": 3, "dropout": 0.3} | settings)
    model = Learn(config, EMBEDDINGS.shape[1], NUM_KNOWN)
    model.standardise = Standardise.fit(EMBEDDINGS)
    if hasattr(model, "item_ids"):
        torch.nn.init.normal_(model.item_ids.weight)
    return model.eval()


def sasrec(**settings: object) -> SASRec:
    """Random weights."""
    torch.manual_seed(1)
    return SASRec(SASRecConfig.model_validate(SIZES | settings), NUM_KNOWN).eval()


KNOWN = HISTORIES.where(HISTORIES.items < NUM_KNOWN)
EXAMPLES: dict[str, RetrievalModel] = {
    "learn": learn(),
    "learn of ids": learn(item_input="id", positions="learned"),
    "learn of both": learn(item_input="content_id", positions="rotary", item_tower="sequence"),
    "learn with raw items": learn(item_tower="raw", dim=None),
    "sasrec": sasrec(),
    "sasrec without positions": sasrec(positions="none"),
    "item-kNN": ItemToItem.fit_item_knn(KNOWN, NUM_KNOWN, ItemKNNConfig()),
    "ease": ItemToItem.fit_ease(KNOWN, NUM_KNOWN, EaseConfig()),
    "popularity": Popularity.fit(KNOWN, NUM_KNOWN),
    "content_mean": ContentMean.fit(EMBEDDINGS, ContentMeanConfig()),
    "content_mean, raw": ContentMean.fit(EMBEDDINGS, ContentMeanConfig(standardise=False)),
}


def test_there_is_an_example_of_every_kind() -> None:
    assert {model.kind for model in EXAMPLES.values()} == set(MODELS)


@pytest.mark.parametrize("name", EXAMPLES)
@torch.inference_mode()
def test_saved_and_loaded_it_scores_the_same(name: str, tmp_path: Path) -> None:
    model, other = EXAMPLES[name], EMBEDDINGS * 3 + 5  # not the catalogue that it was fitted on
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert type(loaded) is type(model)
    assert loaded.serves_new_items == model.serves_new_items
    assert torch.equal(loaded.item_vectors(other), model.item_vectors(other))
    found = loaded.user_vectors(HISTORIES, other)
    assert torch.equal(found, model.user_vectors(HISTORIES, other))
    assert found[0].any()


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith(("learn", "sas"))])
def test_it_keeps_its_settings_and_is_ready_to_score(name: str, tmp_path: Path) -> None:
    model = EXAMPLES[name]
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(model, Learn | SASRec)
    assert isinstance(loaded, Learn | SASRec)
    assert loaded.settings == model.settings
    assert loaded.config() == model.config()
    assert not loaded.training


@pytest.mark.parametrize(("config", "found"), [({"kind": "oracle"}, "oracle"), ({}, "None")])
def test_an_unknown_kind_is_refused_with_the_file_and_every_kind(
    tmp_path: Path, config: dict[str, str], found: str
) -> None:
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        load_model(tmp_path)
    kinds = " or ".join(MODELS)
    assert str(caught.value) == f"{tmp_path / CONFIG_FILE}: kind: expected {kinds}, found {found}."
