"""The content-addressed embedding store: a text is embedded once, whoever asks.

Layout: `<root>/<encoder fingerprint>/<part>.parquet`, each part with `key` and `embedding`.
Parts are only ever added, each under the hash of its keys, so writers never disturb one another.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from towerflow.errors import InputError
from towerflow.storage.files import new_file

KEY: Final = "key"
EMBEDDING: Final = "embedding"
Floats = NDArray[np.float32]


def text_key(text: str) -> str:
    """Key of a text in the part of the store that belongs to one encoder."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class EmbeddingStore:
    """Embeddings of one frozen encoder, by text.

    Args:
        root: folder of the store; made when first written to.
        fingerprint: of the encoder, see `encoder_fingerprint`.
    """

    def __init__(self, root: Path, fingerprint: str) -> None:
        self.folder = root / fingerprint

    def lookup(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Embedding `[embedding_dim]` of each of `texts` that is stored, by text."""
        by_key = {text_key(text): text for text in texts}
        wanted = pa.array(by_key, pa.string())
        found: dict[str, Floats] = {}
        for part in sorted(self.folder.glob("*.parquet")):
            table = _read_part(part)
            table = table.filter(pc.is_in(table[KEY], value_set=wanted))
            if len(table):
                rows = np.stack(table[EMBEDDING].combine_chunks().to_numpy(zero_copy_only=False))
                found |= {
                    by_key[key]: row for key, row in zip(table[KEY].to_pylist(), rows, strict=True)
                }
        return found

    def add(self, texts: Sequence[str], embeddings: Floats) -> None:
        """Store `embeddings` `[len(texts), embedding_dim]`, all or nothing."""
        keys = [text_key(text) for text in texts]
        width = embeddings.shape[1]
        values = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.reshape(-1)), width)
        table = pa.table({KEY: pa.array(keys, pa.string()), EMBEDDING: values})
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:32]
        with new_file(self.folder / f"{name}.parquet") as draft:
            pq.write_table(table, draft, compression="zstd")


def _read_part(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, columns=[KEY, EMBEDDING])
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            path,
            expected="a part of the embedding store",
            found=str(error),
            hint="delete the file and what it held is embedded again",
        ) from error
