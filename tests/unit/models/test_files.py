"""A model read back scores as it did."""

import json
from pathlib import Path

import pytest
import torch

from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import MODELS, load_model, save_model
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel

HISTORIES = ItemLists.from_lists([[0, 1, 2], [3]])
EMBEDDINGS = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
EXAMPLES: list[RetrievalModel] = [
    Learn(LearnConfig(width=8, num_heads=2, feedforward=8, dim=4), embedding_dim=5).eval(),
    Popularity.fit(HISTORIES, num_items=6),
    ContentMean.fit(EMBEDDINGS, ContentMeanConfig()),
]


def test_there_is_an_example_of_every_kind() -> None:
    assert {model.kind for model in EXAMPLES} == set(MODELS)


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.kind)
@torch.inference_mode()
def test_saved_and_loaded_it_scores_the_same(model: RetrievalModel, tmp_path: Path) -> None:
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert type(loaded) is type(model)
    assert torch.equal(loaded.item_vectors(EMBEDDINGS), model.item_vectors(EMBEDDINGS))
    users = loaded.user_vectors(HISTORIES, EMBEDDINGS)
    assert torch.equal(users, model.user_vectors(HISTORIES, EMBEDDINGS))


def test_a_kind_of_another_version_is_named(tmp_path: Path) -> None:
    save_model(EXAMPLES[1], tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"kind": "oracle"}))
    with pytest.raises(InputError, match=r"config\.json: kind: .*popularity.*found oracle"):
        load_model(tmp_path)
