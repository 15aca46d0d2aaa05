"""On a GPU the frozen LLM says what it says on a CPU."""

from pathlib import Path

import pytest
import torch

from towerflow.embedding.encoder import FrozenEncoder

pytestmark = pytest.mark.gpu


def test_the_gpu_gives_the_embeddings_of_the_cpu(tiny_encoder: Path) -> None:
    encoder = FrozenEncoder(tiny_encoder, max_tokens=64)
    assert encoder.device.type == "cuda"
    texts = ["Title: Yoga mat", "Title: Jump rope Brand: Northline"]
    on_gpu = encoder.encode(texts)
    encoder.device = torch.device("cpu")
    encoder.model.to("cpu")
    torch.testing.assert_close(on_gpu, encoder.encode(texts), atol=1e-4, rtol=0)
