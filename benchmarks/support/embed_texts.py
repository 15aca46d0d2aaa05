"""Our engine over some texts, from tokenisation to the store, and the share of the peak it reaches.

python -m benchmarks.support.embed_texts <model folder> <texts.json> <max tokens> <precision> <npy>
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from towerflow.embedding.batches import BatchBudget
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.engine import Unread, count_blocks, embed
from towerflow.embedding.precision import PackedLinear
from towerflow.embedding.settings import EncoderSettings
from towerflow.embedding.source import find_encoder
from towerflow.embedding.store import EmbeddingStore, text_keys

PEAK_SIZE = 4096
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}


def peak_flops(precision: str) -> float:
    """Operations a second of a large product in that precision, the best of four."""
    left = torch.ones(PEAK_SIZE, PEAK_SIZE).to(DTYPES[precision])
    multiply: Callable[[torch.Tensor], torch.Tensor]
    if precision == "float32":  # twice as fast here as torch.matmul
        multiply = PackedLinear(torch.nn.Linear(PEAK_SIZE, PEAK_SIZE, bias=False))
    elif precision == "int8":
        multiply = partial(torch._int_mm, mat2=left)
    else:
        multiply = partial(torch.matmul, other=left)
    best = 0.0
    for _ in range(4):
        began = time.perf_counter()
        with torch.inference_mode():
            multiply(left)
        best = max(best, 2 * PEAK_SIZE**3 / (time.perf_counter() - began))
    return best


def main(folder: str, texts_file: str, max_tokens: str, precision: str, out: str) -> None:
    """Print items per second and the rest as JSON; keep the embeddings."""
    texts = json.loads(Path(texts_file).read_text("utf-8"))
    settings = EncoderSettings(max_tokens=int(max_tokens), precision=precision)
    encoder = FrozenEncoder(Path(folder), settings)
    encoder.encode(encoder.tokenize(texts[:8]))
    keys = text_keys(texts)
    with tempfile.TemporaryDirectory() as root:
        source = find_encoder(folder, Path(root))
        store = EmbeddingStore(root, source.used(settings))
        began = time.perf_counter()
        unread = Unread(keys, texts, texts, count_blocks(len(texts)))
        totals = embed(unread, encoder, store, BatchBudget.of("cpu", encoder.embedding_dim))
        seconds = time.perf_counter() - began
        embeddings = np.empty((len(texts), encoder.embedding_dim), np.float32)
        for positions, rows in store.fetch(keys):
            embeddings[positions] = rows
    np.save(out, embeddings)
    measured = {
        "rate": len(texts) / seconds,
        "padding": totals.padding / totals.tokens,
        "flops": totals.flops / seconds,
        "peak": peak_flops(precision),
        "tokens": totals.tokens / len(texts),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
