"""What a model's files must say, and what is kept although `config.json` does not say it."""

import json
from pathlib import Path

import pytest
import torch

from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import CONFIG_FILE, MODELS, load_model, save_model
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.standardise import Standardise

EMBEDDINGS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 2 + 1


@pytest.mark.parametrize(("config", "found"), [({"kind": "oracle"}, "oracle"), ({}, "None")])
def test_an_unknown_kind_is_refused_with_the_file_and_every_kind(
    tmp_path: Path, config: dict[str, str], found: str
) -> None:
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        load_model(tmp_path)
    kinds = " or ".join(MODELS)
    assert str(caught.value) == f"{tmp_path / CONFIG_FILE}: kind: expected {kinds}, found {found}."


@pytest.mark.parametrize("standardise", [True, False])
def test_content_mean_stays_standardised_or_not(tmp_path: Path, standardise: bool) -> None:
    model = ContentMean.fit(EMBEDDINGS, ContentMeanConfig(standardise=standardise))
    save_model(model, tmp_path)
    other = EMBEDDINGS + 5  # not the catalogue that it was fitted on
    assert torch.equal(load_model(tmp_path).item_vectors(other), model.item_vectors(other))


@torch.inference_mode()
def test_learn_keeps_its_settings_and_the_scale_of_its_catalogue(tmp_path: Path) -> None:
    config = LearnConfig(width=8, num_heads=4, feedforward=6, dim=3, max_history=2, dropout=0.3)
    model = Learn(config, EMBEDDINGS.shape[1])
    model.standardise = Standardise.fit(EMBEDDINGS)
    save_model(model.eval(), tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, Learn)
    assert loaded.settings == config
    assert not loaded.training
    histories = ItemLists.from_lists([[0, 1, 2, 3], []])
    found = loaded.user_vectors(histories, EMBEDDINGS)
    assert torch.equal(found, model.user_vectors(histories, EMBEDDINGS))
