"""`embed_items`: the frozen LLM reads the texts of one shard that the store does not have yet."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from towerflow.embedding.devices import device_peak, devices, unreachable_gpu
from towerflow.embedding.engine import Totals, Unread, count_blocks
from towerflow.embedding.item_embeddings import Batch, write_batches
from towerflow.embedding.precision import resolve_precision
from towerflow.embedding.settings import EncoderRecord
from towerflow.embedding.shards import deal
from towerflow.embedding.source import find_encoder
from towerflow.embedding.store import EmbeddingStore, Rows, text_keys
from towerflow.errors import InputError
from towerflow.interactions.dataset import read_items
from towerflow.schema import ITEM_ID, TEXT, TOOK, ArtifactKind
from towerflow.storage.artifact import new_artifact
from towerflow.storage.files import write_text

STEP: Final = "embed_items"


@dataclass(frozen=True)
class Shard:
    """The items of one shard, and their distinct texts.

    Attributes:
        item_index: `[num_items]`, ascending.
        item_ids: `[num_items]`.
        texts, keys: `[num_texts]`, each once.
        text: `[num_items]`, position in `texts`.
    """

    item_index: Rows
    item_ids: list[str]
    texts: list[str]
    keys: pa.Array
    text: Rows

    def unread(self, is_stored: NDArray[np.bool_]) -> Unread:
        """The texts that the store lacks, each called by the first item that has it."""
        missing = np.flatnonzero(~is_stored)
        first = np.unique(self.text, return_index=True)[1][missing]
        return Unread(
            keys=self.keys.take(pa.array(missing)),
            texts=[self.texts[position] for position in missing],
            names=[f"item '{self.item_ids[position]}'" for position in first],
            num_blocks=count_blocks(len(self.texts)),
        )


def embed_items(
    dataset: Path,
    encoder: str,
    encoder_fingerprint: str,
    pooling: str,
    layer: int,
    prompt: str,
    l2: str,
    max_tokens: int,
    precision: str,
    embedding_store: str,
    shard: int,
    num_shards: int,
    item_embeddings: Path,
    counts: Path,
) -> None:
    """Embed the items of one shard; every distinct text is in one shard alone.

    Args:
        dataset: the Dataset.
        encoder: name, local or gs:// folder, or hub id of the frozen LLM.
        encoder_fingerprint: what the encoder must have, such as that of a release; "": any.
        pooling: "mean", "last" or "cls"; "": what the model was made for.
        layer: hidden layer that is pooled; -1: the last.
        prompt: what the LLM reads, with {text} in it; "": what the model was made for.
        l2: "yes" or "no", scale embeddings to length 1; "": what the model was made for.
        max_tokens: texts are cut to this many tokens.
        precision: what the LLM calculates in; "auto": bfloat16 where it is fast, else float32.
        embedding_store: root folder of the store, local or gs://.
        shard: which shard, from 0.
        num_shards: how many there are.
        item_embeddings: where the shard of ItemEmbeddings is written.
        counts: JSON file of what it took, for the UI.

    Raises:
        InputError: the encoder can't be loaded, is not the one asked for, or gives NaN.
    """
    manifest, items = read_items(dataset, [ITEM_ID, TEXT])
    machine = devices()
    if unreachable := unreachable_gpu():
        print(f"towerflow: note: {unreachable}; the CPUs embed", flush=True)
    with tempfile.TemporaryDirectory() as downloads:
        source = find_encoder(encoder, Path(downloads))
        settings = source.defaults.changed(
            pooling=pooling,
            layer=layer,
            prompt=prompt,
            l2=l2,
            max_tokens=max_tokens,
            precision=resolve_precision(precision, torch.device(machine[0])),
        )
        record = source.used(settings)
        _require_fingerprint(encoder, record, encoder_fingerprint)
        store = EmbeddingStore(embedding_store, record)
        mine = _shard(items, max_tokens, shard, num_shards)
        unread = mine.unread(store.locate(mine.keys).is_stored)
        totals = Totals()
        if unread.texts:  # nothing new: the LLM is not even fetched
            store.describe()
            # transformers takes seconds to import, which a run without news does not wait for.
            from towerflow.embedding.parallel import embed_on

            totals = embed_on(machine, unread, source.fetch(), settings, store)
    took = _took(totals, len(mine.texts), machine)
    print(
        f"towerflow: {totals.texts:,} texts embedded, {took['store_hits']:,} from the store",
        flush=True,
    )
    with new_artifact(item_embeddings, ArtifactKind.ITEM_EMBEDDINGS, STEP) as draft:
        _write(draft.folder, mine, store)
        draft.counts = {"items": len(mine.item_index), "texts": len(mine.texts)}
        draft.details = {**record.as_details(), TOOK: {**took}}
        draft.inputs = {"dataset": manifest.content_hash}
        write_text(counts, json.dumps({**draft.counts, **took}, indent=2) + "\n")


def _require_fingerprint(encoder: str, found: EncoderRecord, wanted: str) -> None:
    if wanted not in ("", found.fingerprint):
        raise InputError(
            encoder,
            expected=f"the encoder that the model was trained with, {wanted[:12]}",
            found=f"{found.fingerprint[:12]}",
            hint="the weights or the settings differ",
        )


def _shard(items: pa.Table, max_tokens: int, shard: int, num_shards: int) -> Shard:
    # large: the texts of a catalogue may be more than the 2 GB that a string array holds.
    column = items[TEXT].cast(pa.large_string()).combine_chunks().dictionary_encode()
    texts, text = column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)
    keys = text_keys(texts)
    kept = deal(texts, keys, max_tokens, num_shards) == shard
    rows = np.flatnonzero(kept[text])
    place = kept.cumsum() - 1  # of a text among those kept
    return Shard(
        item_index=rows,
        item_ids=items[ITEM_ID].take(pa.array(rows)).to_pylist(),
        texts=[texts[position] for position in np.flatnonzero(kept)],
        keys=keys.filter(pa.array(kept)),
        text=place[text[rows]],
    )


def _write(folder: Path, shard: Shard, store: EmbeddingStore) -> None:
    """The embeddings of all items of the shard, out of the store."""
    batches = store.fetch(shard.keys)
    first = next(batches, None)
    if first is None:
        assert not shard.texts, "all texts are in the store by now"
        write_batches(folder, shard.item_index, 0, [])
        return
    by_text = np.argsort(shard.text, kind="stable")
    bounds = np.searchsorted(shard.text[by_text], np.arange(len(shard.texts) + 1))

    def of_items(batch: Batch) -> Batch:
        texts, embeddings = batch
        repeats = bounds[texts + 1] - bounds[texts]
        rows = np.concatenate([by_text[bounds[text] : bounds[text + 1]] for text in texts])
        return rows, np.repeat(embeddings, repeats, axis=0)

    written = write_batches(
        folder,
        shard.item_index,
        first[1].shape[1],
        (of_items(batch) for batches_ in ([first], batches) for batch in batches_),
    )
    assert written == len(shard.item_index), "all texts are in the store by now"


def _took(totals: Totals, num_texts: int, machine: list[str]) -> dict[str, float]:
    """What embedding took, for the manifest and the UI."""
    took: dict[str, float] = {
        "embedded": totals.texts,
        "store_hits": num_texts - totals.texts,
        "tokens": totals.tokens,
        "padding_share": round(totals.padding / max(1, totals.tokens + totals.padding), 4),
        "seconds": round(totals.seconds, 3),
    }
    if totals.texts:
        took["items_per_second"] = round(totals.texts / totals.seconds, 2)
        took["tokens_per_second"] = round(totals.tokens / totals.seconds, 1)
        peaks = [device_peak(device) for device in machine]
        if None not in peaks:
            peak = sum(filter(None, peaks))
            took["flop_utilisation"] = round(totals.flops / totals.seconds / peak, 4)
    return took
