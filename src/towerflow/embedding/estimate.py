"""What embedding a catalogue will take, from a sample of its texts read on this machine."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from towerflow.embedding.batches import BatchBudget, next_batch
from towerflow.embedding.devices import PEAK_FLOPS
from towerflow.embedding.encoder import FrozenEncoder

SAMPLE_TEXTS: Final = 256
SAMPLE_SECONDS: Final = 20.0
ASSUMED_UTILISATION: Final = 0.4  # of a GPU's peak; a run reports what it really reached

_BYTES_A_NUMBER: Final = 4


@dataclass(frozen=True)
class Estimate:
    """For a catalogue of `num_items`.

    Attributes:
        num_items: of the catalogue.
        num_texts: distinct ones among them.
        tokens: all of them together.
        flops: products on them.
        store_bytes: of their embeddings.
        measured_seconds: on one device of this machine.
        gpu_hours: by name of the GPU, at ASSUMED_UTILISATION of its peak.
    """

    num_items: int
    num_texts: int
    tokens: int
    flops: float
    store_bytes: int
    measured_seconds: float
    gpu_hours: dict[str, float]


def estimate(encoder: FrozenEncoder, texts: Sequence[str], num_items: int, device: str) -> Estimate:
    """Read a sample of `texts` and reckon up.

    Args:
        encoder: on `device`.
        texts: of all items that are known.
        num_items: of the catalogue that is asked about, which may be larger.
        device: to measure on.
    """
    distinct = sorted(set(texts))
    sample = random.Random(0).sample(distinct, min(SAMPLE_TEXTS, len(distinct)))  # noqa: S311
    tokens = sorted(encoder.tokenize(sample), key=len, reverse=True)
    lengths = [len(ids) for ids in tokens]
    rate = _tokens_a_second(encoder, tokens, device)
    num_texts = round(num_items * len(distinct) / len(texts))
    share = num_texts / len(sample)
    flops = encoder.flops(lengths) * share
    return Estimate(
        num_items=num_items,
        num_texts=num_texts,
        tokens=round(sum(lengths) * share),
        flops=flops,
        store_bytes=num_texts * encoder.embedding_dim * _BYTES_A_NUMBER,
        measured_seconds=sum(lengths) * share / rate,
        gpu_hours={
            name: flops / (peak * ASSUMED_UTILISATION) / 3600 for name, peak in PEAK_FLOPS.items()
        },
    )


def _tokens_a_second(encoder: FrozenEncoder, tokens: Sequence[Sequence[int]], device: str) -> float:
    """Speed over `tokens`, longest first; stops after SAMPLE_SECONDS."""
    lengths = [len(ids) for ids in tokens]
    budget = BatchBudget.of(device, encoder.embedding_dim).tokens
    encoder.encode(tokens[-1:])  # the first pass is slower, whatever it reads
    start, read = 0, 0
    began = time.monotonic()
    while start < len(tokens) and time.monotonic() - began < SAMPLE_SECONDS:
        stop = next_batch(lengths, start, budget, is_packed=encoder.is_packed)
        encoder.encode(tokens[start:stop])
        read += sum(lengths[start:stop])
        start = stop
    return read / (time.monotonic() - began)
