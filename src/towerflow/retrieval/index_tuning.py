"""Find the index that finds nearly all of the true best with the least work.

Chosen by what is compared, not by how long it takes, so that equal vectors give equal indexes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from towerflow.errors import InputError
from towerflow.retrieval.index_build import build_index, estimate_bytes, fewest_items
from towerflow.retrieval.item_index import IndexKind, IndexRecord, IntArray, search_parameters
from towerflow.retrieval.rows_file import Floats

AUTO: Final = "auto"
RECALL_K: Final = 100
CONFIDENCE: Final = 1.645  # standard errors of a one-sided 95 % interval
EXACT_BELOW: Final = 100_000  # items: 64 dimensions of them are scored in some milliseconds
MOST_GRAPH_EFFORT: Final = 2048  # beyond, a graph is no faster than lists
WORTH_IT: Final = 0.1  # share of items compared, above which another kind is tried
# In the order that they are tried: contiguous lists are read faster than a graph …
WHOLE: Final[tuple[IndexKind, ...]] = (IndexKind.IVF, IndexKind.HNSW)
SHORT: Final[tuple[IndexKind, ...]] = (
    IndexKind.IVF_SQ8,
    IndexKind.IVF_PQ,
)  # … and these are for little memory
RERANKS: Final = {IndexKind.IVF_SQ8: (2, 4), IndexKind.IVF_PQ: (4, 16)}
MEGABYTE: Final = 2**20
QUERIES_AT_ONCE: Final = 256
ROUNDING: Final = 1e-6  # of two ways to sum up a score, to the sum of its parts' sizes


class IndexConfig(BaseModel):
    """What the index has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: str = Field(default=AUTO, description=f"{AUTO}, {', '.join(IndexKind)}.")
    recall_target: Annotated[
        float, Field(gt=0, le=1, description="Share of the 100 best that must be found.")
    ] = 0.99
    memory_limit: Annotated[
        int, Field(ge=0, description="Megabytes that the index may take when served; 0: any.")
    ] = 0

    @classmethod
    def parse(cls, kind: str, recall_target: float, memory_limit: int) -> "IndexConfig":
        """As given by the user.

        Raises:
            InputError: an unknown kind, or a number out of its range.
        """
        kinds = [AUTO, *IndexKind]
        if kind not in kinds:
            raise InputError("index_kind", expected=" or ".join(kinds), found=kind)
        if not 0 < recall_target <= 1:
            raise InputError(
                "recall_target", expected="above 0, at most 1", found=f"{recall_target}"
            )
        if memory_limit < 0:
            raise InputError("memory_limit", expected="0 or more", found=f"{memory_limit}")
        return cls(kind=kind, recall_target=recall_target, memory_limit=memory_limit)


@dataclass(frozen=True)
class Queries:
    """Vectors of users and items to tune with, and of others to report by, `[num_queries, dim]`."""

    tuning: Floats
    held_out: Floats


@dataclass(frozen=True)
class Tuned:
    """An index and what was found of it."""

    index: Any
    record: IndexRecord


def tune_index(vectors: Floats, queries: Queries, config: IndexConfig) -> Tuned:
    """The index of `vectors` `[num_items, dim]` as `config` wants it.

    Raises:
        InputError: no index of this catalogue is that small, or a kind that was asked for needs
            more items or does not reach the target.
    """
    num_items, dim = vectors.shape
    sizes = {kind: estimate_bytes(kind, num_items, dim) for kind in IndexKind}
    limit = config.memory_limit * MEGABYTE or max(sizes.values())
    if config.kind != AUTO:
        kind = IndexKind(config.kind)
        if num_items < fewest_items(kind):
            raise InputError(
                "index_kind",
                expected=f"another than {kind.value}, which needs {fewest_items(kind)} items",
                found=f"a catalogue of {num_items}",
            )
        _require_memory(sizes[kind], limit)
        return _of_kind(vectors, kind, queries, config, "asked for")
    if num_items < EXACT_BELOW and sizes[IndexKind.EXACT] <= limit:
        return _exact(vectors, queries, config, f"fewer than {EXACT_BELOW:,} items")
    sizes = {kind: size for kind, size in sizes.items() if fewest_items(kind) <= num_items}
    _require_memory(min(sizes.values()), limit)
    small = {kind for kind, size in sizes.items() if size <= limit}
    whole = [kind for kind in WHOLE if kind in small]
    short = [kind for kind in SHORT if kind in small]
    return _cheapest(vectors, whole or short, queries, config)


def _cheapest(
    vectors: Floats, kinds: Sequence[IndexKind], queries: Queries, config: IndexConfig
) -> Tuned:
    """The first that is worth it, else the one that compares the fewest."""
    reached: list[Tuned] = []
    for kind in kinds:
        tuned = _of_kind(vectors, kind, queries, config, "the first that compares few items")
        if tuned.record.recall >= config.recall_target:
            if tuned.record.compared <= WORTH_IT:
                return tuned
            reached.append(tuned)
    if reached:
        best = min(reached, key=lambda one: one.record.compared)
        if best.record.compared < 1:
            note = {"note": "compares the fewest items of those that were tried"}
            return Tuned(best.index, best.record.model_copy(update=note))
    _require_memory(
        estimate_bytes(IndexKind.EXACT, *vectors.shape),
        config.memory_limit * MEGABYTE or 4 * vectors.size,
    )
    return _exact(vectors, queries, config, "no approximate index reached the recall")


def _require_memory(smallest: int, limit: int) -> None:
    if smallest > limit:
        raise InputError(
            "memory_limit",
            expected=f"at least {-(-smallest // MEGABYTE)} MB for this catalogue",
            found=f"{limit // MEGABYTE}",
        )


def _exact(vectors: Floats, queries: Queries, config: IndexConfig, note: str) -> Tuned:
    record = IndexRecord(
        kind=IndexKind.EXACT,
        effort=0,
        rerank=1,
        recall=1.0,
        recall_k=min(RECALL_K, len(vectors)),
        recall_target=config.recall_target,
        num_queries=len(queries.held_out),
        compared=1.0,
        memory_bytes=estimate_bytes(IndexKind.EXACT, *vectors.shape),
        note=note,
    )
    return Tuned(build_index(vectors, IndexKind.EXACT), record)


def _of_kind(
    vectors: Floats, kind: IndexKind, queries: Queries, config: IndexConfig, note: str
) -> Tuned:
    if kind is IndexKind.EXACT:
        return _exact(vectors, queries, config, note)
    index = build_index(vectors, kind)
    trial = _Trial(vectors, index, kind)
    tuning, held_out = trial.ask(queries.tuning), trial.ask(queries.held_out)
    most = min(len(vectors), MOST_GRAPH_EFFORT) if kind is IndexKind.HNSW else index.nlist
    effort, rerank = _least_work(tuning, kind, most, config.recall_target)
    # The held-out queries may want a little more than those that it was tuned with.
    while not held_out.reaches(config.recall_target, effort, rerank) and effort < most:
        effort = min(most, effort + max(1, effort // 4))
    recall = held_out.recall(effort, rerank)
    if config.kind == kind and recall < config.recall_target:
        raise InputError(
            "recall_target",
            expected=f"at most {recall:.4f}, which {kind.value} reaches",
            found=f"{config.recall_target}",
            hint="take another index_kind",
        )
    record = IndexRecord(
        kind=kind,
        effort=effort,
        rerank=rerank,
        recall=recall,
        recall_k=trial.k,
        recall_target=config.recall_target,
        num_queries=len(queries.held_out),
        compared=held_out.compared(effort, rerank),
        memory_bytes=estimate_bytes(kind, *vectors.shape),
        note=note,
    )
    return Tuned(index, record)


def _least_work(asked: "_Asked", kind: IndexKind, most: int, target: float) -> tuple[int, int]:
    """The least effort, and times k, with which the target is reached; `most` if it isn't."""
    rerank = 1
    for rerank in RERANKS.get(kind, (1,)):

        def reaches(effort: int, rerank: int = rerank) -> bool:
            return asked.reaches(target, effort, rerank)

        if reaches(most):
            return _least(reaches, most), rerank
    return most, rerank


def _least(reaches: Callable[[int], bool], most: int) -> int:
    """A least effort that reaches the target, to an eighth; `most` does."""
    low, high = 0, 1
    while high < most and not reaches(high):
        low, high = high, 2 * high
    high = min(high, most)
    while high - low > max(1, high // 8):
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


class _Trial:
    """An index on trial over `vectors`."""

    def __init__(self, vectors: Floats, index: Any, kind: IndexKind) -> None:
        self.vectors, self.index, self.kind = vectors, index, kind
        self.k = min(RECALL_K, len(vectors))

    def ask(self, queries: Floats) -> "_Asked":
        """These queries, with the least score that is among each one's true best."""
        _, best = faiss.knn(queries, self.vectors, self.k, metric=faiss.METRIC_INNER_PRODUCT)
        last = self.vectors[best[:, -1]]
        scores = np.einsum("qd,qd->q", queries, last)
        slack = ROUNDING * np.einsum("qd,qd->q", np.abs(queries), np.abs(last))
        return _Asked(self, queries, scores - slack)

    def search(self, queries: Floats, effort: int, rerank: int) -> tuple[IntArray, int]:
        """Items found `[num_queries, k * rerank]`, and how many vectors were compared."""
        parameters = search_parameters(self.kind, self.index, effort)
        statistics = (
            faiss.cvar.hnsw_stats if self.kind is IndexKind.HNSW else faiss.cvar.indexIVF_stats
        )
        statistics.reset()
        wanted = min(len(self.vectors), self.k * rerank)
        _, items = self.index.search(queries, wanted, params=parameters)
        return items, int(statistics.ndis)


@dataclass(frozen=True)
class _Asked:
    trial: _Trial
    queries: Floats
    least: Floats  # [num_queries] score of the last of the true best, a rounding lower

    def recall(self, effort: int, rerank: int) -> float:
        """Share of the best `k` that are found; an item that ties with the last counts too."""
        return float(self._recalls(effort, rerank).mean()) if len(self.queries) else 1.0

    def reaches(self, target: float, effort: int, rerank: int) -> bool:
        """Whether queries like these find that much: the low end of a one-sided 95 % interval.

        The least effort by the mean alone would be one that was lucky with these.
        """
        if not len(self.queries):
            return True
        recalls = self._recalls(effort, rerank)
        error = recalls.std() / np.sqrt(len(recalls))
        return bool(recalls.mean() - CONFIDENCE * error >= target)

    def _recalls(self, effort: int, rerank: int) -> NDArray[np.float64]:
        """`[num_queries]`."""
        items, _ = self.trial.search(self.queries, effort, rerank)
        found = np.empty(len(items))
        for rows in _blocks(len(items)):
            scores = np.einsum(
                "qkd,qd->qk", self.trial.vectors[items[rows].clip(min=0)], self.queries[rows]
            )
            good = (scores >= self.least[rows][:, None]) & (items[rows] >= 0)
            found[rows] = np.minimum(good.sum(axis=1), self.trial.k)
        return found / self.trial.k

    def compared(self, effort: int, rerank: int) -> float:
        """Share of the items whose vectors a query is compared with, on average."""
        if not len(self.queries):
            return 0.0
        _, distances = self.trial.search(self.queries, effort, rerank)
        return distances / (len(self.queries) * len(self.trial.vectors))


def _blocks(num_rows: int) -> Iterator[slice]:
    return (slice(start, start + QUERIES_AT_ONCE) for start in range(0, num_rows, QUERIES_AT_ONCE))
