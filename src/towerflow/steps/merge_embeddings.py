"""`merge_embeddings`: the shards of ItemEmbeddings to one artifact, row = item_index."""

from pathlib import Path
from typing import Final

import torch

from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact

STEP: Final = "merge_embeddings"


def merge_embeddings(shards: list[Path], item_embeddings: Path) -> None:
    """Put the rows of all `shards` in order of item_index.

    Args:
        shards: ItemEmbeddings artifacts of one Dataset, in any order.
        item_embeddings: where the whole is written.

    Raises:
        InputError: shards of different Datasets, or rows doubled or missing.
    """
    # A shard has no rows, and so no width, when there are more shards than items.
    parts = [part for part in map(ItemEmbeddings.open, shards) if len(part.item_index)]
    hashes = {part.dataset_hash for part in parts}
    if len(hashes) != 1:
        raise InputError("shards", expected="embeddings of one Dataset", found=f"of {len(hashes)}")
    item_index = torch.cat([part.item_index for part in parts])
    order = item_index.argsort()
    if not torch.equal(item_index[order], torch.arange(len(order))):
        raise InputError(
            "shards",
            expected=f"each of {len(order)} items once",
            found=f"{len(set(item_index.tolist()))} different items up to {int(item_index.max())}",
        )
    with new_artifact(item_embeddings, ArtifactKind.ITEM_EMBEDDINGS, STEP) as draft:
        embeddings = torch.cat([part.embeddings for part in parts])
        write_embeddings(draft.folder, item_index[order], embeddings[order])
        draft.counts = {"items": len(order), "embedding_dim": embeddings.shape[1]}
        draft.inputs = {
            "dataset": hashes.pop(),
            **{f"shard_{number}": part.content_hash for number, part in enumerate(parts)},
        }
