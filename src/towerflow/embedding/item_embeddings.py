"""The ItemEmbeddings artifact: one embedding per item, whole or a shard of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from towerflow.embedding.settings import EncoderRecord
from towerflow.embedding.store import Floats, Rows
from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import open_artifact

EMBEDDINGS_FILE: Final = "item_embeddings.safetensors"
ROWS_AT_ONCE: Final = 65_536

Batch = tuple[Rows, Floats]


@dataclass(frozen=True)
class ItemEmbeddings:
    """Embeddings of some or all items of one Dataset.

    Attributes:
        item_index: `[num_rows]`, ascending.
        embeddings: `[num_rows, embedding_dim]` float32; row i belongs to `item_index[i]`.
        dataset_hash: content hash of the Dataset that the indices refer to.
        encoder: the frozen LLM and how it was used.
        content_hash: of the artifact.
    """

    item_index: Tensor
    embeddings: Tensor
    dataset_hash: str
    encoder: EncoderRecord
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
            encoder=EncoderRecord.of(path, manifest.details),
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
    """Write the file of an ItemEmbeddings artifact at once."""
    rows = np.arange(len(item_index))
    write_batches(folder, item_index.numpy(), embeddings.shape[1], [(rows, embeddings.numpy())])


def write_batches(
    folder: Path, item_index: NDArray[np.int64], embedding_dim: int, batches: Iterable[Batch]
) -> int:
    """Write the file of an ItemEmbeddings artifact without ever having all of it in memory.

    Args:
        folder: of the artifact.
        item_index: `[num_rows]`.
        embedding_dim: length of an embedding.
        batches: rows and their embeddings, in any order.

    Returns:
        How many rows there were; the caller knows how many there should have been.
    """
    indices = np.ascontiguousarray(item_index, "<i8").tobytes()
    shape = (len(item_index), embedding_dim)
    num_bytes = 4 * shape[0] * shape[1]
    tensors = {
        "item_index": ("I64", [shape[0]], 0, len(indices)),
        "embeddings": ("F32", list(shape), len(indices), len(indices) + num_bytes),
    }
    header = json.dumps(
        {
            name: {"dtype": dtype, "shape": size, "data_offsets": [begin, end]}
            for name, (dtype, size, begin, end) in tensors.items()
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # the format wants data to begin at a multiple of 8
    path = folder / EMBEDDINGS_FILE
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + indices)
        begin = file.tell()
        file.truncate(begin + num_bytes)
    written = 0
    # Row by row, not through a memory map: what was written does not pile up in this process.
    with path.open("r+b", buffering=0) as file:
        for rows, embeddings in batches:
            for row, embedding in zip(rows, np.ascontiguousarray(embeddings, "<f4"), strict=True):
                file.seek(begin + 4 * embedding_dim * int(row))
                file.write(embedding)
            written += len(rows)
    return written


def read_embeddings(folder: Path) -> tuple[Tensor, Tensor]:
    """The file's item_index and embeddings."""
    tensors = load_file(folder / EMBEDDINGS_FILE)
    return tensors["item_index"], tensors["embeddings"]


def read_batches(folder: Path) -> Iterable[Batch]:
    """item_index and embeddings of ROWS_AT_ONCE rows at a time."""
    with safe_open(folder / EMBEDDINGS_FILE, framework="numpy") as file:
        indices, embeddings = file.get_slice("item_index"), file.get_slice("embeddings")
        num_rows = indices.get_shape()[0]
        for begin in range(0, num_rows, ROWS_AT_ONCE):
            end = min(num_rows, begin + ROWS_AT_ONCE)
            yield indices[begin:end], embeddings[begin:end]
