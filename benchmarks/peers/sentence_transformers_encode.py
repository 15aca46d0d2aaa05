"""The peer: sentence-transformers' `encode` at several batch sizes, on the same weights and texts.

python sentence_transformers_encode.py <model folder> <texts.json> <max tokens> <out.npy>
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer, models

BATCH_SIZES = (16, 32, 64)


def main(folder: str, texts_file: str, max_tokens: str, out: str) -> None:
    """Print items per second by batch size as JSON; keep the embeddings."""
    texts = json.loads(Path(texts_file).read_text("utf-8"))
    transformer = models.Transformer(folder, max_seq_length=int(max_tokens))
    tokenizer = transformer.tokenizer
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    width = transformer.get_word_embedding_dimension()
    encoder = SentenceTransformer(
        modules=[transformer, models.Pooling(width, "mean")], device="cpu"
    )
    encoder.encode(texts[:8])
    rates = {}
    for size in BATCH_SIZES:
        began = time.perf_counter()
        embeddings = encoder.encode(texts, batch_size=size, show_progress_bar=False)
        rates[size] = len(texts) / (time.perf_counter() - began)
    np.save(out, embeddings)
    print(json.dumps({"rates": rates}))


if __name__ == "__main__":
    main(*sys.argv[1:])
