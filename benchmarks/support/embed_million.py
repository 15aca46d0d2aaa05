"""The step over a million made-up texts and an LLM that only pretends: memory and look-up.

python -m benchmarks.support.embed_million <Dataset> <model folder> <folder>
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import torch

from benchmarks.support.run_embed_items import run
from towerflow.embedding import parallel
from towerflow.embedding.settings import EncoderRecord
from towerflow.embedding.store import EmbeddingStore, text_keys
from towerflow.interactions.dataset import ITEMS_FILE
from towerflow.schema import TEXT
from towerflow.storage.artifact import read_manifest

WIDTH = 384


class Pretender:
    """As fast as nothing: a token is a word, an embedding a number repeated."""

    is_packed = True
    embedding_dim = WIDTH

    def __init__(self, *_: object) -> None:
        pass

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Length of each word."""
        return [[len(word) for word in text.split()] for text in texts]

    def encode(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """`[len(texts), WIDTH]`."""
        return torch.tensor([[float(sum(ids))] for ids in texts]).expand(-1, WIDTH).contiguous()

    def flops(self, lengths: Sequence[int]) -> float:
        """None."""
        return 0.0


def main(dataset: str, encoder: str, folder: str) -> None:
    """Print the seconds of the step and of a look-up of all keys as JSON."""
    parallel.FrozenEncoder = Pretender  # type: ignore
    began = time.perf_counter()
    run(Path(dataset), encoder, Path(folder))
    seconds = time.perf_counter() - began
    made = read_manifest(Path(folder) / "embeddings")
    record = EncoderRecord.of(folder, made.details)
    store = EmbeddingStore(f"{folder}/store", record)
    keys = text_keys(pq.read_table(Path(dataset) / ITEMS_FILE, columns=[TEXT])[TEXT].to_pylist())
    began = time.perf_counter()
    found = store.locate(keys)
    located = time.perf_counter() - began
    assert found.is_stored.all()
    print(json.dumps({"seconds": seconds, "lookup": located, "items": made.counts["items"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
