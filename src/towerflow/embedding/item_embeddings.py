"""The ItemEmbeddings artifact: one embedding per item, whole or a shard of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import open_artifact

EMBEDDINGS_FILE: Final = "item_embeddings.safetensors"


@dataclass(frozen=True)
class ItemEmbeddings:
    """Embeddings of some or all items of one Dataset.

    Attributes:
        item_index: `[num_rows]`, ascending.
        embeddings: `[num_rows, embedding_dim]` float32; row i belongs to `item_index[i]`.
        dataset_hash: content hash of the Dataset that the indices refer to.
        content_hash: of the artifact.
    """

    item_index: Tensor
    embeddings: Tensor
    dataset_hash: str
    content_hash: str

    @classmethod
    def open(cls, path: Path) -> "ItemEmbeddings":
        """Read and check the artifact at `path`, which may be a shard."""
        manifest = open_artifact(path, ArtifactKind.ITEM_EMBEDDINGS)
        item_index, embeddings = read_embeddings(path)
        return cls(
            item_index=item_index,
            embeddings=embeddings,
            dataset_hash=manifest.inputs["dataset"],
            content_hash=manifest.content_hash,
        )

    @classmethod
    def open_for(cls, path: Path, dataset_hash: str, num_items: int) -> "ItemEmbeddings":
        """Open embeddings that must cover every item of a given Dataset, row = item_index.

        Raises:
            InputError: they belong to another Dataset, or miss items.
        """
        whole = cls.open(path)
        if whole.dataset_hash != dataset_hash:
            raise InputError(
                path,
                expected=f"embeddings of Dataset {dataset_hash[:12]}",
                found=f"those of {whole.dataset_hash[:12]}",
            )
        if not torch.equal(whole.item_index, torch.arange(num_items)):
            raise InputError(
                path,
                expected=f"one row for each of {num_items} items",
                found=f"{len(whole.item_index)} rows",
            )
        return whole


def write_embeddings(folder: Path, item_index: Tensor, embeddings: Tensor) -> None:
    """Write the file of an ItemEmbeddings artifact."""
    save_file(
        {"item_index": item_index.contiguous(), "embeddings": embeddings.contiguous()},
        folder / EMBEDDINGS_FILE,
    )


def read_embeddings(folder: Path) -> tuple[Tensor, Tensor]:
    """What `write_embeddings` wrote: item_index and embeddings."""
    tensors = load_file(folder / EMBEDDINGS_FILE)
    return tensors["item_index"], tensors["embeddings"]
