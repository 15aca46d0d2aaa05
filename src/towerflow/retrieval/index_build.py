"""Make a faiss index of item vectors: the same vectors give the same index, to the byte."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import faiss
import numpy as np

from towerflow.retrieval.item_index import IndexKind
from towerflow.retrieval.rows_file import Floats

LISTS_PER_ROOT: Final = 4  # clusters = 4 √num_items, as faiss advises for up to a million
POINTS_PER_LIST: Final = 128  # that clusters are fitted to
CLUSTER_ROUNDS: Final = 10
NEIGHBOURS: Final = 32  # of an item in the graph
CONSTRUCTION_EFFORT: Final = 100
DIMENSIONS_PER_BYTE: Final = 4  # of a product quantiser
CENTROIDS: Final = 256  # of each of its bytes; they are fitted to as many items at least
SEED: Final = 0


def build_index(vectors: Floats, kind: IndexKind) -> Any:
    """The faiss index of `vectors` `[num_items, dim]` by inner product."""
    dim = vectors.shape[1]
    match kind:
        case IndexKind.EXACT:
            index = faiss.IndexFlatIP(dim)
            index.add(vectors)
        case IndexKind.HNSW:
            index = faiss.IndexHNSWFlat(dim, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = CONSTRUCTION_EFFORT
            with _one_thread():  # with several the graph is another each time
                index.add(vectors)
        case _:
            index = _clustered(vectors, kind)
    return index


def estimate_bytes(kind: IndexKind, num_items: int, dim: int) -> int:
    """Memory of such an index."""
    whole, id_bytes = 4 * dim, 8
    lists = num_lists(num_items) * whole
    match kind:
        case IndexKind.EXACT:
            return num_items * whole
        case IndexKind.HNSW:  # the lowest level has twice the neighbours, and nearly all of them
            return num_items * (whole + 4 * 2 * NEIGHBOURS + 16)
        case IndexKind.IVF:
            return num_items * (whole + id_bytes) + lists
        case IndexKind.IVF_SQ8:
            return num_items * (dim + id_bytes) + lists
        case IndexKind.IVF_PQ:
            return num_items * (num_codes(dim) + id_bytes) + lists + CENTROIDS * whole


def fewest_items(kind: IndexKind) -> int:
    """Items without which there is no such index."""
    return CENTROIDS if kind is IndexKind.IVF_PQ else 1


def num_lists(num_items: int) -> int:
    """Clusters of an IVF index: a power of two near 4 √num_items that leaves each some items."""
    wanted = LISTS_PER_ROOT * np.sqrt(num_items)
    most = max(1.0, num_items / 39)  # faiss warns of fewer points to fit a cluster to
    return int(2 ** np.floor(min(np.log2(wanted) + 0.5, np.log2(most))))


def num_codes(dim: int) -> int:
    """Bytes of a product quantiser's code, which must divide the dimensions."""
    wanted = max(1, dim // DIMENSIONS_PER_BYTE)
    return max(codes for codes in range(1, wanted + 1) if dim % codes == 0)


def _clustered(vectors: Floats, kind: IndexKind) -> Any:
    num_items, dim = vectors.shape
    lists = num_lists(num_items)
    form = {
        IndexKind.IVF: "Flat",
        IndexKind.IVF_SQ8: "SQ8",
        IndexKind.IVF_PQ: f"PQ{num_codes(dim)}np",  # "np": seconds a byte, for nothing used here
    }[kind]
    index = faiss.index_factory(dim, f"IVF{lists},{form}", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = CLUSTER_ROUNDS
    index.cp.seed = SEED
    index.cp.max_points_per_centroid = POINTS_PER_LIST
    chosen = np.random.default_rng(SEED).choice(
        num_items, min(num_items, max(lists * POINTS_PER_LIST, 65_536)), replace=False
    )
    index.train(np.ascontiguousarray(vectors[np.sort(chosen)]))
    index.add(vectors)
    return index


@contextmanager
def _one_thread() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
