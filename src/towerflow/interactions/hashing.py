"""A hash of ids that is the same on every machine, for whole columns at once."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

UnsignedArray = NDArray[np.uint64]

_OFFSET: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)


def fnv1a(ids: pa.Array) -> UnsignedArray:
    """`[num_ids]` FNV-1a, 64 bits, of the UTF-8 bytes of each id (draft-eastlake-fnv)."""
    _, offsets_buffer, data_buffer = ids.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)
    lengths = np.diff(offsets)
    hashes = np.full(len(ids), _OFFSET, dtype=np.uint64)
    rows = np.arange(len(ids))
    for position in range(int(lengths.max(initial=0))):
        rows = rows[lengths[rows] > position]
        letters = data[offsets[rows] + position]
        hashes[rows] = (hashes[rows] ^ letters) * _PRIME
    return hashes


def mix(values: UnsignedArray) -> UnsignedArray:
    """SplitMix64's finaliser: every bit of the input moves every bit of the output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_ids(ids: pa.Array) -> UnsignedArray:
    """`[num_ids]` FNV-1a, mixed: its high bits alone would be alike for ids that are alike."""
    return mix(fnv1a(ids))
