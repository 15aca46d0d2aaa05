"""LEARN against a plain NumPy reading of its formulas, and the laws of its towers."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.standardise import Standardise

CONFIG = LearnConfig(
    width=8, num_layers=2, num_heads=2, feedforward=12, dim=6, max_history=4, dropout=0.5
)
EMBEDDING_DIM = 5


@pytest.fixture(scope="module")
def model() -> Learn:
    """A model with random weights and a real mean and scale, ready to score."""
    torch.manual_seed(3)
    made = Learn(CONFIG, EMBEDDING_DIM)
    made.standardise = Standardise.fit(torch.randn(50, EMBEDDING_DIM) * 3 + 1)
    return made.eval()


@pytest.fixture(scope="module")
def embeddings() -> torch.Tensor:
    """Ten items."""
    return torch.randn(10, EMBEDDING_DIM, generator=torch.Generator().manual_seed(4))


def numpy_learn(weights: dict[str, np.ndarray], sequence: np.ndarray) -> np.ndarray:
    """The tower over one `[length, embedding_dim]` sequence, written from the formulas."""

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def layer_norm(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return normed * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x: np.ndarray) -> np.ndarray:
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    standard = (sequence - weights["standardise.mean"]) / weights["standardise.scale"]
    hidden = linear("content_adaptor", standard)
    length, head_width = len(hidden), CONFIG.width // CONFIG.num_heads
    for layer in range(CONFIG.num_layers):
        name = f"encoder.{layer}"
        query, key, value = np.split(linear(f"{name}.query_key_value", hidden), 3, axis=-1)
        heads = []
        for head in range(CONFIG.num_heads):
            part = slice(head * head_width, (head + 1) * head_width)
            mixed = np.zeros((length, head_width))
            for position in range(length):
                scores = key[: position + 1, part] @ query[position, part] / math.sqrt(head_width)
                attention = np.exp(scores - scores.max())
                mixed[position] = attention / attention.sum() @ value[: position + 1, part]
            heads.append(mixed)
        attended = linear(f"{name}.attention_output", np.concatenate(heads, axis=-1))
        hidden = layer_norm(f"{name}.attention_norm", hidden + attended)
        inner = linear(f"{name}.feedforward_out", gelu(linear(f"{name}.feedforward_in", hidden)))
        hidden = layer_norm(f"{name}.feedforward_norm", hidden + inner)
    output = linear("output_projection", hidden)
    return output / np.linalg.norm(output, axis=-1, keepdims=True)


def test_forward_equals_the_formulas(model: Learn, embeddings: torch.Tensor) -> None:
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    batch = torch.stack([embeddings[:7], embeddings[3:]])
    with torch.inference_mode():
        outputs = model(batch)
    for row, sequence in zip(outputs, batch, strict=True):
        expected = numpy_learn(weights, sequence.double().numpy())
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-5)


def test_the_number_of_weights_is_that_of_the_formulas() -> None:
    width, inner = CONFIG.width, CONFIG.feedforward
    attention = 4 * (width * width + width)
    feedforward = (width * inner + inner) + (inner * width + width)
    norms = 2 * 2 * width
    adaptor = EMBEDDING_DIM * width + width
    projection = width * CONFIG.dim + CONFIG.dim
    expected = adaptor + CONFIG.num_layers * (attention + feedforward + norms) + projection
    model = Learn(CONFIG, EMBEDDING_DIM)
    assert sum(weight.numel() for weight in model.parameters()) == expected


@torch.inference_mode()
def test_causal_what_comes_later_changes_nothing(model: Learn, embeddings: torch.Tensor) -> None:
    changed = embeddings.clone()
    changed[6:] = 99.0
    before, after = model(embeddings.unsqueeze(0)), model(changed.unsqueeze(0))
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


@torch.inference_mode()
def test_an_item_vector_is_the_item_alone(model: Learn, embeddings: torch.Tensor) -> None:
    vectors = model.item_vectors(embeddings)
    torch.testing.assert_close(vectors[4], model(embeddings[4:5].unsqueeze(0))[0, 0])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(10))


@torch.inference_mode()
def test_a_user_vector_is_the_output_at_the_last_of_the_recent_items(
    model: Learn, embeddings: torch.Tensor
) -> None:
    histories = [[0, 1, 2], [5], [9, 8, 7, 6, 5, 4]]
    vectors = model.user_vectors(ItemLists.from_lists(histories), embeddings)
    for vector, history in zip(vectors, histories, strict=True):
        recent = history[-CONFIG.max_history :]
        torch.testing.assert_close(vector, model(embeddings[recent].unsqueeze(0))[0, -1])


@torch.inference_mode()
def test_a_user_without_a_history_has_a_zero_vector(model: Learn, embeddings: torch.Tensor) -> None:
    vectors = model.user_vectors(ItemLists.from_lists([[], [1]]), embeddings)
    assert not vectors[0].any()
    assert vectors[1].norm() == pytest.approx(1.0)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValidationError, match="width 10 is not a multiple of num_heads 4"):
        LearnConfig(width=10, num_heads=4)
