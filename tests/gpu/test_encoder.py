"""On a GPU the frozen LLM says what it says on a CPU, packed or padded, in every precision."""

from pathlib import Path

import pytest
import torch

from tests.unit.embedding.test_engine import TEXTS, unread
from tests.unit.embedding.test_store import open_store
from towerflow.embedding import batches
from towerflow.embedding.batches import BatchBudget
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.engine import embed
from towerflow.embedding.settings import EncoderSettings, Precision

pytestmark = pytest.mark.gpu

ITEMS = ["Yoga mat", "Wooden train set Brand Klimbim Category Home Toys", "Kite", "Yoga mat"]


def embeddings(folder: Path, device: str, precision: Precision) -> torch.Tensor:
    """`[4, 16]` on the CPU."""
    encoder = FrozenEncoder(folder, EncoderSettings(max_tokens=64, precision=precision), device)
    assert encoder.is_packed
    return encoder.encode(encoder.tokenize(ITEMS))


@pytest.mark.parametrize(
    ("precision", "least"),
    [
        (Precision.FLOAT32, 0.99999),
        (Precision.BFLOAT16, 0.99),
        (Precision.FLOAT16, 0.999),
        (Precision.INT8, 0.99),
    ],
)
def test_the_gpu_gives_the_embeddings_of_the_cpu(
    tiny_encoder: Path, precision: Precision, least: float
) -> None:
    exact = embeddings(tiny_encoder, "cpu", Precision.FLOAT32)
    found = embeddings(tiny_encoder, "cuda:0", precision)
    assert torch.cosine_similarity(found, exact).min() > least


def test_the_size_of_a_batch_is_found(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "GPU_TOKENS", 8)
    encoder = FrozenEncoder(tiny_encoder, EncoderSettings(max_tokens=64), "cuda:0")
    budget = BatchBudget.of("cuda:0", encoder.embedding_dim)
    assert embed(unread(TEXTS), encoder, open_store(tmp_path), budget).texts == len(TEXTS)
    assert budget.tokens >= 4
