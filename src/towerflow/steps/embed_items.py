"""`embed_items`: the frozen LLM reads the texts of one shard that the store does not have yet."""

from pathlib import Path
from typing import Final

import numpy as np
import torch

from towerflow.embedding.encoder import FrozenEncoder, encoder_fingerprint, length_batches
from towerflow.embedding.item_embeddings import write_embeddings
from towerflow.embedding.store import EmbeddingStore, Floats
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.progress import progress
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact

STEP: Final = "embed_items"
TEXTS_A_PART: Final = 512  # what a crash can cost: a part of the store holds at most so many


def embed_items(
    dataset: Path,
    encoder: str,
    max_tokens: int,
    embedding_store: str,
    shard: int,
    num_shards: int,
    item_embeddings: Path,
) -> None:
    """Embed every `num_shards`-th item, beginning with item `shard`.

    Args:
        dataset: the Dataset.
        encoder: folder of the frozen LLM.
        max_tokens: texts are cut to this many tokens.
        embedding_store: root folder of the store.
        shard: which shard, from 0.
        num_shards: how many there are.
        item_embeddings: where the shard of ItemEmbeddings is written.

    Raises:
        InputError: the encoder can't be loaded, or gives NaN for an item.
    """
    data = Dataset.open(dataset)
    fingerprint = encoder_fingerprint(Path(encoder), max_tokens)
    store = EmbeddingStore(Path(embedding_store), fingerprint)
    rows = range(shard, data.num_items, num_shards)
    texts = [data.texts[row] for row in rows]
    missing = sorted(set(texts) - store.lookup(texts).keys())
    num_tokens = 0
    if missing:  # nothing new: the LLM is not even loaded
        num_tokens = _embed(missing, FrozenEncoder(Path(encoder), max_tokens), store)
    num_stored = len(set(texts)) - len(missing)
    print(f"towerflow: {len(missing):,} texts embedded, {num_stored:,} from the store", flush=True)
    known = store.lookup(texts)
    embeddings = np.stack([known[text] for text in texts]) if texts else np.empty((0, 0))
    with new_artifact(item_embeddings, ArtifactKind.ITEM_EMBEDDINGS, STEP) as draft:
        write_embeddings(
            draft.folder,
            torch.tensor(list(rows), dtype=torch.int64),
            torch.from_numpy(embeddings.astype(np.float32)),
        )
        draft.counts = {
            "items": len(texts),
            "embedded": len(missing),
            "tokens_embedded": num_tokens,
        }
        draft.details = {"encoder_fingerprint": fingerprint, "max_tokens": max_tokens}
        draft.inputs = {"dataset": data.content_hash}


def _embed(texts: list[str], encoder: FrozenEncoder, store: EmbeddingStore) -> int:
    """Embed `texts` into the store, a part at a time; returns the number of tokens read."""
    lengths = encoder.count_tokens(texts)
    waiting: list[str] = []
    vectors: list[Floats] = []
    done = 0
    # In tokens, not items: the longest come first, so that items would promise too late an end.
    with progress("embed items", sum(lengths), "tokens") as advance:
        for positions in length_batches(lengths):
            batch = [texts[position] for position in positions]
            embedded = encoder.encode(batch).numpy()
            _refuse_useless(batch, embedded)
            waiting += batch
            vectors.append(embedded)
            if len(waiting) >= TEXTS_A_PART:
                store.add(waiting, np.concatenate(vectors))
                waiting, vectors = [], []
            done += len(batch)
            advance(sum(lengths[position] for position in positions), f"{done:,} items")
    if waiting:
        store.add(waiting, np.concatenate(vectors))
    return sum(lengths)


def _refuse_useless(texts: list[str], embeddings: Floats) -> None:
    good = np.isfinite(embeddings).all(axis=1) & embeddings.any(axis=1)
    if not good.all():
        text = texts[int(np.argmin(good))]
        raise InputError(
            f"the embedding of '{text[:60]}'",
            expected="finite numbers, not all zero",
            found="NaN, infinity or zeros from the encoder",
        )
