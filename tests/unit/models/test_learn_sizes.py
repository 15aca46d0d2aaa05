"""LEARN's number of weights is the paper's, and contradictory variants are refused."""

import pytest
import torch
from pydantic import ValidationError

from towerflow.models.learn import Learn, LearnConfig


def number_of_weights(config: LearnConfig, embedding_dim: int, num_items: int = 0) -> int:
    """Counted without memory for them."""
    with torch.device("meta"):
        model = Learn(config, embedding_dim, num_items)
    return sum(weight.numel() for weight in model.parameters())


def paper(num_layers: int, dim: int | None) -> LearnConfig:
    """BERT-base's width, heads and feed-forward."""
    return LearnConfig(width=768, num_layers=num_layers, num_heads=12, feedforward=3072, dim=dim)


def expected_weights(num_layers: int, embedding_dim: int, dim: int) -> int:
    """Adaptor, layers, projection; each linear layer has a bias."""
    attention = 4 * (768 * 768 + 768)
    feedforward = (768 * 3072 + 3072) + (3072 * 768 + 768)
    norms = 2 * (768 + 768)
    adaptor, projection = embedding_dim * 768 + 768, 768 * dim + dim
    return adaptor + num_layers * (attention + feedforward + norms) + projection


@pytest.mark.parametrize(
    ("num_layers", "embedding_dim", "dim", "millions"),
    [
        pytest.param(12, 4096, 64, 88.25, id="industrial"),
        pytest.param(4, 4096, 4096, 34.65, id="amazon"),
        pytest.param(12, 768, 64, 85.69, id="bert-embeddings"),
    ],
)
def test_the_number_of_weights_is_the_papers(
    num_layers: int, embedding_dim: int, dim: int, millions: float
) -> None:
    expected = expected_weights(num_layers, embedding_dim, dim)
    assert round(expected / 1e6, 2) == millions
    assert number_of_weights(paper(num_layers, dim), embedding_dim) == expected


def test_without_a_dim_the_projection_is_as_wide_as_embeddings() -> None:
    assert number_of_weights(paper(4, dim=None), 4096) == expected_weights(4, 4096, dim=4096)


@pytest.mark.parametrize(
    ("item_input", "extra"),
    [
        ("content", 0),
        ("content_id", (1000 + 1) * 768),
        ("id", (1000 + 1) * 768 - (4096 * 768 + 768)),  # a table in place of the adaptor
    ],
)
def test_ids_are_a_table_with_a_row_for_the_unknown(item_input: str, extra: int) -> None:
    config = LearnConfig.model_validate(paper(12, dim=64).model_dump() | {"item_input": item_input})
    expected = expected_weights(12, 4096, dim=64) + extra
    assert number_of_weights(config, 4096, num_items=1000) == expected


def test_learned_positions_are_a_table_of_the_longest_history() -> None:
    config = LearnConfig.model_validate(
        paper(12, dim=64).model_dump() | {"positions": "learned", "max_history": 80}
    )
    assert number_of_weights(config, 4096) == expected_weights(12, 4096, dim=64) + 80 * 768


def test_raw_items_with_a_dim_are_refused() -> None:
    with pytest.raises(ValidationError, match="dim must be null"):
        LearnConfig.model_validate({"item_tower": "raw", "dim": 64})


@pytest.mark.parametrize("item_input", ["id", "content_id"])
def test_raw_items_with_an_id_are_refused(item_input: str) -> None:
    with pytest.raises(ValidationError, match="it has no id in it"):
        LearnConfig.model_validate({"item_tower": "raw", "dim": None, "item_input": item_input})


def test_raw_items_of_content_alone_are_accepted() -> None:
    config = LearnConfig.model_validate({"item_tower": "raw", "dim": None})
    assert (config.dim, config.item_input) == (None, "content")
