"""Search among items: the true best, under any filter, whatever the index; only whole files."""

from functools import cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.errors import InputError
from towerflow.retrieval import item_index
from towerflow.retrieval.index_build import build_index
from towerflow.retrieval.item_index import (
    INDEX,
    INDEX_FILE,
    NO_ITEMS,
    VECTORS_FILE,
    IndexKind,
    IndexRecord,
    ItemIndex,
    kind_of,
)
from towerflow.retrieval.rows_file import Floats

KINDS = list(IndexKind)
APPROXIMATE = [kind for kind in KINDS if kind is not IndexKind.EXACT]
NUM_ITEMS, DIM = 3000, 16
ALL = 3000  # more than there are lists; as wide as a search in the graph can be


def record(kind: IndexKind, effort: int = 0, rerank: int = 1) -> IndexRecord:
    """Of an index that nobody tuned."""
    return IndexRecord(
        kind=kind,
        effort=effort,
        rerank=rerank,
        recall=1,
        recall_k=100,
        recall_target=0.9,
        num_queries=0,
        compared=1,
        memory_bytes=3 * 2**20,
        note="a test",
    )


def vectors(num_items: int = NUM_ITEMS, dim: int = DIM) -> Floats:
    return np.random.default_rng(0).normal(size=(num_items, dim)).astype(np.float32)


QUERIES = np.random.default_rng(1).normal(size=(20, DIM)).astype(np.float32)


@cache
def built(kind: IndexKind) -> Any:
    return build_index(vectors(), kind)


def searched(kind: IndexKind, effort: int = ALL, rerank: int = 16) -> ItemIndex:
    """An index over `vectors()`."""
    return ItemIndex(vectors(), built(kind), record(kind, effort, rerank))


def by_sorting(items: Floats, query: Floats, left: list[int]) -> list[int]:
    """Of `left`, best first, ties by lower index."""
    scores = items.astype(np.float64) @ query.astype(np.float64)
    return sorted(left, key=lambda item: (-scores[item], item))


@pytest.mark.parametrize("kind", KINDS)
def test_with_all_its_effort_every_index_finds_the_true_best(kind: IndexKind) -> None:
    index = searched(kind)
    for query in QUERIES:
        found = index.search(query, 10)
        expected = by_sorting(vectors(), query, list(range(NUM_ITEMS)))[:10]
        assert found.items.tolist() == expected
        np.testing.assert_allclose(found.scores, vectors()[expected] @ query, rtol=1e-5)


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_with_little_effort_less_is_found_and_scores_are_exact(kind: IndexKind) -> None:
    """Effort and rerank are those of the record."""
    index = searched(kind, effort=1, rerank=1)
    missed = 0
    for query in QUERIES:
        found = index.search(query, 10)
        assert len(found.items) == 10
        assert (np.diff(found.scores) <= 0).all()
        np.testing.assert_allclose(found.scores, vectors()[found.items] @ query, rtol=1e-4)
        expected = by_sorting(vectors(), query, list(range(NUM_ITEMS)))[:10]
        missed += len(set(expected) - set(found.items.tolist()))
    assert 0 < missed < 10 * len(QUERIES)


def test_what_a_short_code_finds_is_put_right_by_exact_scores() -> None:
    """Of the ten best by their codes not all are, of the forty best by code nearly."""
    true = {
        number: set(by_sorting(vectors(), query, list(range(NUM_ITEMS)))[:10])
        for number, query in enumerate(QUERIES)
    }

    def found(rerank: int) -> int:
        index = searched(IndexKind.IVF_PQ, ALL, rerank)
        return sum(
            len(true[number] & set(index.search(query, 10).items.tolist()))
            for number, query in enumerate(QUERIES)
        )

    assert found(1) < found(4) < found(16) == 10 * len(QUERIES)


# Few small whole numbers: many equal scores, each exact in any order of summation.
numbers = st.integers(-2, 2)
catalogues = st.integers(1, 2).flatmap(
    lambda dim: st.tuples(
        st.lists(st.tuples(*[numbers] * dim), min_size=1, max_size=12),
        st.tuples(*[numbers] * dim),
    )
)


@pytest.mark.parametrize("directly", [0, item_index.SCORED_DIRECTLY])
@given(catalogue=catalogues, data=st.data())
def test_a_filter_leaves_the_best_of_the_rest_ties_by_index(
    directly: int, catalogue: tuple[list[tuple[int, ...]], tuple[int, ...]], data: st.DataObject
) -> None:
    """Whether allowed items are scored directly or through the index."""
    rows = np.array(catalogue[0], dtype=np.float32)
    query = np.array(catalogue[1], dtype=np.float32)
    some = st.lists(st.integers(0, len(rows) - 1))  # an item may be named twice
    allow, deny = data.draw(st.none() | some), data.draw(some)
    k = data.draw(st.integers(1, len(rows)))
    left = set(range(len(rows)) if allow is None else allow) - set(deny)
    index = ItemIndex(rows, build_index(rows, IndexKind.EXACT), record(IndexKind.EXACT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_index, "SCORED_DIRECTLY", directly)
        found = index.search(
            query,
            k,
            None if allow is None else np.array(allow, dtype=np.int64),
            np.array(deny, dtype=np.int64),
        )
    expected = by_sorting(rows, query, list(left))[:k]
    assert found.items.tolist() == expected
    assert found.scores.tolist() == (rows[expected] @ query).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("directly", [0, item_index.SCORED_DIRECTLY])
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_filter_is_kept_and_filled_by_every_index(
    kind: IndexKind, directly: int, data: st.DataObject, seed: int
) -> None:
    """Denied wins over allowed; fewer than k only if no more are left."""
    rng = np.random.default_rng(seed)
    sizes = st.sampled_from([0, 1, 5, 300, NUM_ITEMS - 5, NUM_ITEMS])
    allow = None
    if data.draw(st.booleans()):
        allow = rng.permutation(NUM_ITEMS)[: data.draw(sizes)]
    deny = rng.permutation(NUM_ITEMS)[: data.draw(sizes)]
    k = data.draw(st.integers(1, 30))
    left = set(range(NUM_ITEMS)) if allow is None else set(allow.tolist())
    left -= set(deny.tolist())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_index, "SCORED_DIRECTLY", directly)
        found = searched(kind, effort=1, rerank=1).search(QUERIES[0], k, allow, deny)
    items = found.items.tolist()
    assert len(set(items)) == len(items) == len(found.scores) == min(k, len(left))
    assert set(items) <= left
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("kind", APPROXIMATE)
@pytest.mark.parametrize("allows", [True, False])
def test_where_an_index_finds_too_few_all_that_are_left_are_scored(
    kind: IndexKind, allows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twelve worst items are allowed, or all others denied: no cluster near has ten of them."""
    monkeypatch.setattr(item_index, "SCORED_DIRECTLY", 0)
    index = searched(kind, effort=1, rerank=1)
    for query in QUERIES[:5]:
        order = by_sorting(vectors(), query, list(range(NUM_ITEMS)))
        allow, deny = np.array(order[-12:]), np.array(order[:-12])
        if allows:
            found = index.search(query, 12, allow=allow)
        else:
            found = index.search(query, 12, deny=deny)
        assert found.items.tolist() == order[-12:]


def test_of_fewer_items_more_clusters_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an index that finds enough among all would miss of a tenth what lies further off."""
    monkeypatch.setattr(item_index, "SCORED_DIRECTLY", 0)
    index = searched(IndexKind.IVF, effort=2)
    statistics = faiss.cvar.indexIVF_stats
    for kept, looked_into in ((None, 2), (np.arange(0, NUM_ITEMS, 10), 2 * 10)):
        statistics.reset()
        index.search(QUERIES[0], 10, allow=kept)
        assert statistics.nlist == looked_into
    for share, looked_into in ((2, 2 * 2), (3, 2 * 3), (1000, 64)):  # there are 64
        deny = np.setdiff1d(np.arange(NUM_ITEMS), np.arange(0, NUM_ITEMS, share))
        statistics.reset()
        index.search(QUERIES[0], 1, deny=deny)
        assert statistics.nlist == looked_into


def test_a_few_allowed_are_scored_without_the_index() -> None:
    """However little effort is made, the best of them are found."""
    index = searched(IndexKind.HNSW, effort=1, rerank=1)
    allow = np.random.default_rng(2).permutation(NUM_ITEMS)[:200]
    for query in QUERIES:
        faiss.cvar.hnsw_stats.reset()
        found = index.search(query, 10, allow=allow)
        assert found.items.tolist() == by_sorting(vectors(), query, allow.tolist())[:10]
        assert faiss.cvar.hnsw_stats.ndis == 0


@pytest.mark.parametrize("k", [1, 3, 6, 10])
def test_of_equal_vectors_the_lower_indices_are_found(k: int) -> None:
    """A thousand of one vector among others that are worse: sums of 67 numbers that round."""
    rng = np.random.default_rng(3)
    query = rng.normal(size=67).astype(np.float32)
    rows = np.repeat(query[np.newaxis], 1000, axis=0)
    rows[::2] = -query
    index = ItemIndex(rows, build_index(rows, IndexKind.EXACT), record(IndexKind.EXACT))
    assert index.search(query, k).items.tolist() == [2 * place + 1 for place in range(k)]
    denied = index.search(query, k, deny=np.array([1, 3]))
    assert denied.items.tolist() == [2 * place + 5 for place in range(k)]
    allowed = index.search(query, k, allow=np.arange(500, 1000))
    assert allowed.items.tolist() == [2 * place + 501 for place in range(k)]


@pytest.mark.parametrize("k", range(1, 7))
def test_where_not_all_that_tie_have_room_the_lower_indices_have(k: int) -> None:
    """faiss' heap drops the lowest index first."""
    rows = np.array([[1], [2], [1], [2], [1], [3]], dtype=np.float32)
    index = ItemIndex(rows, build_index(rows, IndexKind.EXACT), record(IndexKind.EXACT))
    found = index.search(np.ones(1, dtype=np.float32), k)
    assert found.items.tolist() == [5, 1, 3, 0, 2, 4][:k]


def test_nothing_is_found_where_nothing_is_left() -> None:
    everything = np.arange(NUM_ITEMS)
    for kind in KINDS:
        for found in (
            searched(kind).search(QUERIES[0], 5, deny=everything),
            searched(kind).search(QUERIES[0], 5, allow=NO_ITEMS),
            searched(kind).search(QUERIES[0], 5, allow=everything, deny=everything),
        ):
            assert (len(found.items), len(found.scores)) == (0, 0)


# Files.


def written(folder: Path, kind: IndexKind) -> Path:
    faiss.write_index(built(kind), str(folder / INDEX_FILE))
    np.save(folder / VECTORS_FILE, vectors())
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_opened_is_what_was_written_and_stays_on_disk(
    kind: IndexKind, tmp_path: Path
) -> None:
    index = ItemIndex.open(written(tmp_path, kind), record(kind, ALL, 16))
    assert isinstance(index.vectors, np.memmap)
    assert (index.num_items, kind_of(built(kind))) == (NUM_ITEMS, kind)
    for query in QUERIES[:5]:
        expected = searched(kind).search(query, 10)
        found = index.search(query, 10)
        assert found.items.tolist() == expected.items.tolist()
        assert found.scores.tolist() == expected.scores.tolist()


def test_an_index_of_another_kind_than_is_recorded_is_refused(tmp_path: Path) -> None:
    written(tmp_path, IndexKind.IVF)
    with pytest.raises(InputError, match=r"expected hnsw over 3000 × 16, found ivf over 3000 × 16"):
        ItemIndex.open(tmp_path, record(IndexKind.HNSW))
    faiss.write_index(faiss.IndexLSH(16, 16), str(tmp_path / INDEX_FILE))
    with pytest.raises(InputError, match=r"index\.faiss: .* found another over 0 × 16"):
        ItemIndex.open(tmp_path, record(IndexKind.HNSW))


@pytest.mark.parametrize(
    ("rows", "found"), [(vectors(2999), "2999 × 16"), (vectors(dim=8), "3000 × 8")]
)
def test_an_index_of_other_vectors_is_refused(tmp_path: Path, rows: Floats, found: str) -> None:
    written(tmp_path, IndexKind.EXACT)
    np.save(tmp_path / VECTORS_FILE, rows)
    with pytest.raises(InputError, match=f"expected exact over {found}, found exact over 3000"):
        ItemIndex.open(tmp_path, record(IndexKind.EXACT))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0, 0.0001, 0.5, 0.9])
def test_a_part_of_an_index_is_refused(kind: IndexKind, share: float, tmp_path: Path) -> None:
    path = written(tmp_path, kind) / INDEX_FILE
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"index\.faiss: expected a faiss index"):
        ItemIndex.open(tmp_path, record(kind))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    written(tmp_path, IndexKind.EXACT)
    (tmp_path / INDEX_FILE).unlink()
    with pytest.raises(InputError, match=r"index\.faiss: expected a faiss index"):
        ItemIndex.open(tmp_path, record(IndexKind.EXACT))
    (tmp_path / VECTORS_FILE).unlink()
    with pytest.raises(InputError, match=r"item_vectors\.npy: expected rows of float32"):
        ItemIndex.open(tmp_path, record(IndexKind.EXACT))


# What is recorded.


def test_a_record_is_read_from_details_as_it_was_written() -> None:
    made = record(IndexKind.IVF_SQ8, 7, 2)
    assert IndexRecord.of("here", {INDEX: made.model_dump(mode="json")}) == made


@pytest.mark.parametrize(
    "change", [{"kind": "magic"}, {"recall": 1.1}, {"rerank": 0}, {"effort": -1}, {"more": 1}]
)
def test_a_damaged_record_is_told(change: dict[str, Any]) -> None:
    details = {INDEX: record(IndexKind.IVF).model_dump(mode="json") | change}
    with pytest.raises(InputError, match=f"here: {next(iter(change))}: expected what its index is"):
        IndexRecord.of("here", details)
    with pytest.raises(InputError, match="here: expected what its index is"):
        IndexRecord.of("here", {})


def test_a_record_in_words() -> None:
    found = record(IndexKind.IVF).model_copy(update={"recall": 0.99513, "compared": 0.0034})
    assert found.in_words == (
        "ivf, recall@100 0.9951 (target 0.9), 3.0 MB, compares 0.3% of the items: a test"
    )


def test_for_more_than_it_was_tuned_for_it_looks_further() -> None:
    """Tuned for 100; 250 lie in two and a half times as many clusters."""
    index, statistics = searched(IndexKind.IVF, effort=2), faiss.cvar.indexIVF_stats
    for k, looked_into in ((100, 2), (250, 5)):
        statistics.reset()
        index.search(QUERIES[0], k)
        assert statistics.nlist == looked_into
