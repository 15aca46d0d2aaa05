"""The estimate is arithmetic on a sample, for a catalogue of any size."""

from pathlib import Path

import pytest

from towerflow.embedding.devices import PEAK_FLOPS
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.estimate import ASSUMED_UTILISATION, estimate
from towerflow.embedding.settings import EncoderSettings

TEXTS = ["Kite", "Yoga mat", "Kite", "Yoga mat"]  # two distinct ones, of 1 and 2 tokens


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> FrozenEncoder:
    """The tiny Llama, 16 wide."""
    return FrozenEncoder(tiny_encoder, EncoderSettings(max_tokens=64))


def test_it_scales_the_sample(encoder: FrozenEncoder) -> None:
    found = estimate(encoder, TEXTS, 4000, "cpu")
    assert (found.num_items, found.num_texts) == (4000, 4000 * 2 // 4)
    assert found.tokens == 2000 * (1 + 2) / 2
    assert found.flops == encoder.flops([2, 1]) * 1000
    assert found.store_bytes == 2000 * 16 * 4
    assert found.measured_seconds > 0


def test_gpu_hours_are_operations_over_a_share_of_the_peak(encoder: FrozenEncoder) -> None:
    found = estimate(encoder, TEXTS, 4000, "cpu")
    assert set(found.gpu_hours) == set(PEAK_FLOPS)
    hours = found.flops / (PEAK_FLOPS["H100"] * ASSUMED_UTILISATION) / 3600
    assert found.gpu_hours["H100"] == pytest.approx(hours)
