"""`merge_embeddings`: the shards of ItemEmbeddings to one artifact, row = item_index."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import JsonValue
from safetensors import safe_open

from towerflow.embedding.item_embeddings import (
    EMBEDDINGS_FILE,
    read_batches,
    write_batches,
)
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.schema import TOOK, ArtifactKind, Manifest
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.files import write_text

STEP: Final = "merge_embeddings"
SUMMED: Final = ("embedded", "store_hits", "tokens", "seconds")


def merge_embeddings(shards: list[Path], item_embeddings: Path, counts: Path) -> None:
    """Put the rows of all `shards` in order of item_index.

    Args:
        shards: ItemEmbeddings artifacts of one Dataset and one encoder, in any order.
        item_embeddings: where the whole is written.
        counts: JSON file of what all shards took together, for the UI.

    Raises:
        InputError: shards of different Datasets or encoders, or rows doubled or missing.
    """
    manifests = [open_artifact(shard, ArtifactKind.ITEM_EMBEDDINGS) for shard in shards]
    dataset = _the_one("Dataset", [manifest.inputs["dataset"] for manifest in manifests])
    read = zip(shards, manifests, strict=True)
    encoders = [EncoderRecord.of(shard, manifest.details) for shard, manifest in read]
    _the_one("encoder", [encoder.fingerprint for encoder in encoders])
    # A shard has no rows, and so no width, when there are more shards than texts.
    sized = zip(shards, manifests, strict=True)
    filled = [shard for shard, manifest in sized if manifest.counts["items"]]
    num_items = sum(manifest.counts["items"] for manifest in manifests)
    index = np.concatenate([rows for shard in filled for rows, _ in read_batches(shard)])
    if not np.array_equal(np.sort(index), np.arange(num_items)):
        raise InputError(
            "shards",
            expected=f"each of {num_items} items once",
            found=f"{len(set(index.tolist()))} different items up to {int(index.max())}",
        )
    with safe_open(filled[0] / EMBEDDINGS_FILE, framework="numpy") as file:
        embedding_dim = file.get_slice("embeddings").get_shape()[1]
    with new_artifact(item_embeddings, ArtifactKind.ITEM_EMBEDDINGS, STEP) as draft:
        batches = (batch for shard in filled for batch in read_batches(shard))
        write_batches(draft.folder, np.arange(num_items), embedding_dim, batches)
        took = _sum(manifests)
        texts = sum(manifest.counts["texts"] for manifest in manifests)
        draft.counts = {"items": num_items, "texts": texts, "embedding_dim": embedding_dim}
        draft.details = {**encoders[0].as_details(), TOOK: took}
        draft.inputs = {
            "dataset": dataset,
            **{f"shard_{number}": found.content_hash for number, found in enumerate(manifests)},
        }
        write_text(counts, json.dumps({**draft.counts, **took}, indent=2) + "\n")


def _the_one(what: str, found: Sequence[str]) -> str:
    if len(set(found)) != 1:
        raise InputError(
            "shards",
            expected=f"embeddings of one {what}",
            found=f"of {len(set(found))}",
            hint="machines of different kinds need a precision that all have, not auto"
            if what == "encoder"
            else "",
        )
    return found[0]


def _sum(manifests: Sequence[Manifest]) -> dict[str, JsonValue]:
    """What the shards took, added up; seconds are those of all devices, side by side or not."""
    each = [np.array([_number(made.details[TOOK], name) for made in manifests]) for name in SUMMED]
    return {name: round(float(values.sum()), 3) for name, values in zip(SUMMED, each, strict=True)}


def _number(took: JsonValue, name: str) -> float:
    assert isinstance(took, dict), "written by embed_items"
    return float(str(took[name]))
