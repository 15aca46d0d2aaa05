"""Search among item vectors through a faiss index: what is searched how, and the search itself.

Read by services: numpy and faiss, no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

import faiss
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from towerflow.errors import InputError
from towerflow.retrieval.rows_file import Floats, open_rows

INDEX_FILE: Final = "index.faiss"
VECTORS_FILE: Final = "item_vectors.npy"
INDEX: Final = "index"  # in the details of an Index or a release
SCORED_DIRECTLY: Final = 20_000  # allowed items: no index is faster than their scores

IntArray = NDArray[np.int64]
NO_ITEMS: Final = np.empty(0, dtype=np.int64)


class IndexKind(StrEnum):
    """How items are searched."""

    EXACT = "exact"  # all of them
    IVF = "ivf"  # those of the nearest clusters
    IVF_SQ8 = "ivf_sq8"  # the same over a byte a dimension, the best scored anew
    IVF_PQ = "ivf_pq"  # the same over a byte for four dimensions
    HNSW = "hnsw"  # along a graph of neighbours


class IndexRecord(BaseModel):
    """What an index is and how good it was found to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: IndexKind
    effort: Annotated[int, Field(ge=0, description="nprobe of IVF, efSearch of HNSW; exact: 0.")]
    rerank: Annotated[int, Field(ge=1, le=1024, description="Times k found, then scored exactly.")]
    recall: Annotated[float, Field(ge=0, le=1, description="Share of the true best that is found.")]
    recall_k: Annotated[int, Field(ge=1, description="How many best that is of.")]
    recall_target: Annotated[float, Field(gt=0, le=1)]
    num_queries: Annotated[int, Field(ge=0, description="Held-out users and items asked for.")]
    compared: Annotated[float, Field(ge=0, description="Items scored per query, share of all.")]
    memory_bytes: Annotated[int, Field(ge=0, description="Of the index, as estimated.")]
    note: str = Field(description="Why it is of this kind.")

    @property
    def in_words(self) -> str:
        """`ivf, recall@100 .9951 (target .99), 253 MB, compares 0.3 % of the items: …`."""
        return (
            f"{self.kind.value}, recall@{self.recall_k} {self.recall:.4f} (target "
            f"{self.recall_target:g}), {self.memory_bytes / 2**20:,.1f} MB, compares "
            f"{self.compared:.1%} of the items: {self.note}"
        )

    @classmethod
    def of(cls, where: object, details: Mapping[str, JsonValue]) -> Self:
        """That of the Index or release at `where`.

        Raises:
            InputError: it has none, or a damaged one.
        """
        try:
            return cls.model_validate(details.get(INDEX))
        except ValidationError as error:
            raise InputError.from_validation(where, "what its index is", error) from error


@dataclass(frozen=True)
class Found:
    """Best first.

    Attributes:
        items: item indices; fewer than asked for if there are no more.
        scores: of each.
    """

    items: IntArray
    scores: Floats


class ItemIndex:
    """Item vectors and an index over them.

    Args:
        vectors: `[num_items, dim]`, perhaps on disk.
        index: faiss' own, of these vectors in this order; kept as `faiss`.
        record: what it is, and how it was tuned.
    """

    def __init__(self, vectors: Floats, index: Any, record: IndexRecord) -> None:
        self.vectors = vectors
        self.record = record
        self.faiss = index

    @classmethod
    def open(cls, folder: Path, record: IndexRecord) -> Self:
        """Read lazily, by memory map.

        Raises:
            InputError: the files are no vectors or no index, or don't belong together.
        """
        vectors = open_rows(folder / VECTORS_FILE)
        path = folder / INDEX_FILE
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise InputError(path, expected="a faiss index", found=_first_line(error)) from error
        found = (index.ntotal, index.d, kind_of(index))
        if found != (*vectors.shape, record.kind):
            raise InputError(
                path,
                expected=f"{record.kind.value} over {vectors.shape[0]} × {vectors.shape[1]}",
                found=f"{found[2] or 'another'} over {found[0]} × {found[1]}",
            )
        return cls(vectors, index, record)

    @property
    def num_items(self) -> int:
        """Size of the catalogue."""
        return len(self.vectors)

    def search(
        self, query: Floats, k: int, allow: IntArray | None = None, deny: IntArray = NO_ITEMS
    ) -> Found:
        """Best `k` items for `query` `[dim]`.

        Args:
            query: a user or item vector.
            k: how many.
            allow: the only items that may be found; None: all.
            deny: items that are not found whatever `allow` says.
        """
        deny = np.unique(deny)
        num_allowed = self.num_items - len(deny)
        if allow is not None:
            allow = np.setdiff1d(allow, deny)
            num_allowed = len(allow)
            if num_allowed <= SCORED_DIRECTLY:
                return self._best_of(query, allow, k)
        k = min(k, num_allowed)
        if k <= 0:
            return Found(NO_ITEMS, np.empty(0, dtype=np.float32))
        items = self._candidates(query, k, allow, deny, num_allowed)
        found = self._best_of(query, items, k + 1)
        # An approximate index may miss most of what a filter leaves; of items that tie with the
        # last, faiss takes any.
        if len(items) < k or (self.record.kind is IndexKind.EXACT and _is_tied(found.scores, k)):
            others = np.setdiff1d(np.arange(self.num_items), deny) if allow is None else allow
            return self._best_of(query, others, k)
        return Found(found.items[:k], found.scores[:k])

    def _candidates(
        self, query: Floats, k: int, allow: IntArray | None, deny: IntArray, num_allowed: int
    ) -> IntArray:
        # Of a tenth of the items, the k best lie in more clusters than the k best of all; so do
        # more than it was tuned for.
        further = self.num_items / num_allowed * max(1.0, k / self.record.recall_k)
        effort = int(np.ceil(self.record.effort * further))
        selector = _selector(self.num_items, allow, deny)
        wanted = min(num_allowed, max(k + 1, k * self.record.rerank))
        parameters = search_parameters(self.record.kind, self.faiss, effort, selector)
        _, found = self.faiss.search(query.reshape(1, -1), wanted, params=parameters)
        # -1 where there is none; a list on disk may name what isn't there.
        items: IntArray = found[0][(found[0] >= 0) & (found[0] < self.num_items)]
        return items

    def _best_of(self, query: Floats, items: IntArray, k: int) -> Found:
        """The best of `items` by their exact scores; equal ones in the order of their index."""
        items = np.sort(items)
        # Not `@`, which gives equal vectors scores that differ by where they stand.
        scores = np.einsum("id,d->i", self.vectors[items], query)
        best = np.argsort(-scores, kind="stable")[:k]
        return Found(items[best], scores[best])


def search_parameters(kind: IndexKind, index: Any, effort: int, selector: Any = None) -> Any:
    """What faiss wants to be told of a search; `selector` is an IDSelector, or None for all."""
    match kind:
        case IndexKind.EXACT:
            return faiss.SearchParameters(sel=selector)
        case IndexKind.HNSW:
            return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)
        case _:
            return faiss.SearchParametersIVF(nprobe=min(effort, index.nlist), sel=selector)


def kind_of(index: Any) -> IndexKind | None:
    """What `index` is; None if nothing that Towerflow makes."""
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        return None
    kinds: dict[str, IndexKind] = {
        "IndexFlatIP": IndexKind.EXACT,
        "IndexFlat": IndexKind.EXACT,
        "IndexIVFFlat": IndexKind.IVF,
        "IndexIVFScalarQuantizer": IndexKind.IVF_SQ8,
        "IndexIVFPQ": IndexKind.IVF_PQ,
        "IndexHNSWFlat": IndexKind.HNSW,
    }
    return kinds.get(type(index).__name__)


def _selector(num_items: int, allow: IntArray | None, deny: IntArray) -> Any:
    if allow is not None:
        allowed = np.zeros(num_items, dtype=bool)
        allowed[allow] = True
        return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    return faiss.IDSelectorNot(faiss.IDSelectorBatch(deny)) if len(deny) else None


def _is_tied(scores: Floats, k: int) -> bool:
    """Whether the `k`-th of `scores`, best first, is as good as the next."""
    return len(scores) > k and bool(scores[k - 1] == scores[k])


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
