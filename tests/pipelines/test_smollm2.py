"""The real SmolLM2-135M, out of its package, on a handful of items."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from towerflow.bundled import bundled_encoder
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.settings import EncoderSettings
from towerflow.models.standardise import Standardise

TEXTS = [
    "Title: Cast iron skillet Category: Kitchen",
    "Title: Frying pan, steel Category: Kitchen",
    "Title: Tomato seeds Category: Garden",
    "Title: Pruning shears Category: Garden",
    "Title: Toy Story (1995) Category: Animation",
]


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """From an empty cache: downloaded, checked, converted, loaded, run."""
    folder = bundled_encoder("smollm2-135m", tmp_path_factory.mktemp("cache"), print)
    assert folder is not None
    assert sorted(path.name for path in Path(folder).glob("*.safetensors")) == ["model.safetensors"]
    encoder = FrozenEncoder(folder, EncoderSettings(max_tokens=64))
    assert encoder.is_packed
    return encoder.encode(encoder.tokenize(TEXTS))


def test_an_embedding_is_a_finite_vector_of_the_hidden_size(embeddings: torch.Tensor) -> None:
    assert embeddings.shape == (5, 576)
    assert torch.isfinite(embeddings).all()


def test_raw_states_share_a_direction_and_standardised_ones_tell_meanings_apart(
    embeddings: torch.Tensor,
) -> None:
    raw = F.normalize(embeddings, dim=1) @ F.normalize(embeddings, dim=1).T
    assert raw.min() > 0.7
    centred = F.normalize(Standardise.fit(embeddings)(embeddings), dim=1)
    similarity = centred @ centred.T
    skillet, pan, seeds, shears, film = range(5)
    assert similarity[skillet, pan] > max(similarity[skillet, other] for other in (seeds, film))
    assert similarity[seeds, shears] > similarity[seeds, film]
