"""Who embeds what: an even deal of the texts, made alike by everyone who asks."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

BYTES_A_TOKEN = 6  # at most, on average over a text; more bytes are cut off before they are read


def deal(
    texts: Sequence[str], keys: pa.Array, max_tokens: int, num_shards: int
) -> NDArray[np.int64]:
    """`[len(texts)]` shard of each text, such that all shards have about equally many tokens.

    Texts are sorted by the bytes that will be read and dealt to and fro, 0 … n-1, n-1 … 0.
    Bytes stand for tokens, which nobody has counted yet: a token has 3 to 5 of them in most
    languages, and what differs from text to text evens out over a shard.

    Args:
        texts: each once.
        keys: of the texts; they settle ties, so that order of `texts` does not matter.
        max_tokens: that a text is cut to.
        num_shards: at least 1.
    """
    size = pc.binary_length(pa.array(texts, pa.large_string()))
    read = pc.min_element_wise(size, max_tokens * BYTES_A_TOKEN)
    table = pa.table({"read": read, "key": keys})
    order = pc.sort_indices(table, [("read", "descending"), ("key", "ascending")]).to_numpy()
    place = np.arange(len(order)) % (2 * num_shards)
    shard = np.empty(len(order), np.int64)
    shard[order] = np.where(place < num_shards, place, 2 * num_shards - 1 - place)
    return shard
