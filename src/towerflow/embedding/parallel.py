"""One process a GPU: each embeds its share of the texts into the same store."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from towerflow.embedding.batches import BatchBudget
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.engine import Totals, Unread, embed
from towerflow.embedding.settings import EncoderSettings
from towerflow.embedding.shards import deal
from towerflow.embedding.store import EmbeddingStore


def embed_on(
    devices: list[str],
    unread: Unread,
    folder: Path,
    settings: EncoderSettings,
    store: EmbeddingStore,
) -> Totals:
    """Embed all of `unread`, on all devices at once.

    Args:
        devices: "cpu", or one "cuda:…" or more.
        unread: texts that the store lacks.
        folder: of the model.
        settings: of the encoder.
        store: of that encoder.

    Returns:
        Sums over the devices, but the seconds of the slowest.
    """
    if len(devices) == 1:
        return _embed_on(devices[0], "embed items", unread, folder, settings, store)
    shard = deal(unread.texts, unread.keys, settings.max_tokens, len(devices))
    # Not forked: CUDA, and threads in general, do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(devices), mp_context=context) as pool:
        running = [
            pool.submit(
                _embed_on,
                device,
                f"embed items on {device}",
                unread.take(np.flatnonzero(shard == number)),
                folder,
                settings,
                store,
            )
            for number, device in enumerate(devices)
        ]
        each = [task.result() for task in running]
    total = sum(each, start=Totals())
    return replace(total, seconds=max(part.seconds for part in each))


def _embed_on(
    device: str,
    label: str,
    unread: Unread,
    folder: Path,
    settings: EncoderSettings,
    store: EmbeddingStore,
) -> Totals:
    encoder = FrozenEncoder(folder, settings, device)
    return embed(unread, encoder, store, BatchBudget.of(device, encoder.embedding_dim), label)
