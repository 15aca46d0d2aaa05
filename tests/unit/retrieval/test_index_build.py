"""The same vectors give the same file; what an index takes is known before it is built."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from towerflow.retrieval.index_build import build_index, estimate_bytes, num_codes, num_lists
from towerflow.retrieval.item_index import IndexKind, kind_of
from towerflow.retrieval.rows_file import Floats

KINDS = list(IndexKind)


def vectors(num_items: int = 3000, dim: int = 16) -> Floats:
    return np.random.default_rng(0).normal(size=(num_items, dim)).astype(np.float32)


def bytes_of(index: Any, folder: Path) -> bytes:
    """As it is written."""
    faiss.write_index(index, str(folder / "index"))
    return (folder / "index").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_vectors_give_the_same_bytes_with_any_number_of_threads(
    kind: IndexKind, tmp_path: Path
) -> None:
    before = faiss.omp_get_max_threads()
    files = []
    try:
        for threads in (1, 1, 2, 2):
            faiss.omp_set_num_threads(threads)
            files.append(bytes_of(build_index(vectors(), kind), tmp_path))
            assert faiss.omp_get_max_threads() == threads, "as the caller left it"
    finally:
        faiss.omp_set_num_threads(before)
    assert len(set(files)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_of_its_kind_by_inner_product_over_all_items(kind: IndexKind) -> None:
    index = build_index(vectors(), kind)
    assert kind_of(index) is kind
    assert (index.ntotal, index.d) == (3000, 16)
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not IndexKind.IVF_PQ])
@pytest.mark.parametrize("num_items", [1, 2, 40])
def test_even_a_few_items_can_be_indexed(kind: IndexKind, num_items: int) -> None:
    index = build_index(vectors(num_items), kind)
    _, found = index.search(vectors(num_items), num_items)
    assert np.sort(found, axis=1).tolist() == [list(range(num_items))] * num_items


@pytest.mark.parametrize("dim", [1, 7, 64])
def test_equal_vectors_can_be_indexed(dim: int) -> None:
    """A popularity of which nothing is known."""
    for kind in KINDS:
        assert build_index(np.ones((300, dim), dtype=np.float32), kind).ntotal == 300


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("num_items", "dim"), [(3000, 64), (3000, 1), (1000, 256), (20_000, 8)])
def test_the_estimate_is_near_the_size_of_the_file(
    kind: IndexKind, num_items: int, dim: int, tmp_path: Path
) -> None:
    size = len(bytes_of(build_index(vectors(num_items, dim), kind), tmp_path))
    assert estimate_bytes(kind, num_items, dim) == pytest.approx(size, rel=0.1)


def test_estimates_by_arithmetic() -> None:
    million, dim, lists = 1_000_000, 64, 4096
    assert {kind: estimate_bytes(kind, million, dim) for kind in KINDS} == {
        IndexKind.EXACT: million * 4 * dim,
        IndexKind.IVF: million * (4 * dim + 8) + lists * 4 * dim,
        IndexKind.IVF_SQ8: million * (dim + 8) + lists * 4 * dim,
        IndexKind.IVF_PQ: million * (dim // 4 + 8) + lists * 4 * dim + 256 * 4 * dim,
        IndexKind.HNSW: million * (4 * dim + 2 * 32 * 4 + 16),
    }


@pytest.mark.parametrize(
    ("num_items", "lists"),
    [
        (1, 1),
        (77, 1),
        (78, 2),  # 39 to each
        (39 * 512 - 1, 256),
        (39 * 512, 512),
        (33_000, 512),  # 4 √33,000 = 727 is nearer to 1,024, but 39 to each would be 39,936
        (39 * 1024, 1024),
        (131_000, 1024),  # 4 √131,000 = 1,448 < 1,024 √2
        (131_100, 2048),  # and 1,448.3 > it
        (1_000_000, 4096),  # 4 √1,000,000 = 4,000
    ],
)
def test_lists_are_a_power_of_two_near_four_roots_with_enough_items(
    num_items: int, lists: int
) -> None:
    assert num_lists(num_items) == lists


def test_more_items_never_have_fewer_lists() -> None:
    found = [num_lists(num_items) for num_items in range(1, 200_000, 97)]
    assert found == sorted(found)
    assert all(
        lists * 39 <= max(num_items, 39)
        for num_items, lists in zip(range(1, 200_000, 97), found, strict=True)
    )


@pytest.mark.parametrize(
    ("dim", "codes"),
    [(1, 1), (3, 1), (4, 1), (8, 2), (10, 2), (12, 3), (13, 1), (64, 16), (66, 11)],
)
def test_a_code_has_a_byte_for_four_dimensions_or_more(dim: int, codes: int) -> None:
    """The most that divide them: 66 = 11 × 6, 16 would not."""
    assert num_codes(dim) == codes
    assert dim % codes == 0
