"""The hash is the published one, and the same whatever stands around an id."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.hashing import fnv1a, hash_ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_the_vectors_of_the_draft(text: str, expected: int) -> None:
    assert int(fnv1a(pa.array([text]))[0]) == expected


@given(st.lists(st.text(max_size=9), max_size=6), st.integers(0, 6))
def test_an_id_has_its_hash_wherever_it_stands(ids: list[str], start: int) -> None:
    column = pa.array(ids, pa.string()).slice(start)
    assert hash_ids(column).tolist() == [int(hash_ids(pa.array([name]))[0]) for name in ids[start:]]


def test_alike_ids_fall_far_apart() -> None:
    shards = hash_ids(pa.array([f"user{n}" for n in range(16_000)])) >> np.uint64(60)
    counts = np.bincount(shards.astype(np.int64), minlength=16)
    assert counts.min() > 800
    assert counts.max() < 1200
