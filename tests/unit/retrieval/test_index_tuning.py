"""The index that is chosen finds what it says, as plain NumPy sees it, and takes what it may."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.errors import InputError
from towerflow.retrieval import index_tuning
from towerflow.retrieval.index_build import estimate_bytes
from towerflow.retrieval.index_tuning import (
    MEGABYTE,
    WORTH_IT,
    IndexConfig,
    Queries,
    Tuned,
    _least,
    tune_index,
)
from towerflow.retrieval.item_index import IndexKind, ItemIndex
from towerflow.retrieval.rows_file import Floats

KINDS = list(IndexKind)
AUTO = IndexConfig()


def clustered(num_items: int, dim: int = 16, seed: int = 0) -> Floats:
    """A hundred groups, so that an index has something to go by."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, dim))
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(num_items, dim))
    return (centres[rng.integers(0, 100, num_items)] + 0.5 * noise).astype(np.float32)


def asked(vectors: Floats) -> Queries:
    """Tuning and held out, 100 each."""
    return Queries(vectors[:100], vectors[100:200])


ITEMS = clustered(4000)
USERS = asked(clustered(200, seed=1))


def recall_in_numpy(tuned: Tuned, vectors: Floats, queries: Floats, k: int = 100) -> float:
    """Through the search that services use; of equal scores any may be found."""
    index = ItemIndex(vectors, tuned.index, tuned.record)
    found = 0
    for query in queries.astype(np.float64):
        scores = vectors @ query
        last = np.sort(scores)[-k]
        items = index.search(query.astype(np.float32), k).items
        assert len(items) == k
        found += int((scores[items] >= last - 1e-5 * abs(last)).sum())
    return found / (k * len(queries))


@pytest.fixture
def no_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the catalogue, it isn't exact for that."""
    monkeypatch.setattr(index_tuning, "EXACT_BELOW", 0)


def test_a_small_catalogue_is_searched_exactly() -> None:
    record = tune_index(ITEMS, USERS, AUTO).record
    assert record.kind is IndexKind.EXACT
    assert (record.effort, record.rerank, record.recall, record.compared) == (0, 1, 1.0, 1.0)
    assert (record.recall_k, record.num_queries) == (100, 100)
    assert record.memory_bytes == 4000 * 16 * 4
    assert record.note == "fewer than 100,000 items"


@pytest.mark.parametrize(("below", "kind"), [(4000, IndexKind.IVF), (4001, IndexKind.EXACT)])
def test_small_is_below_a_number(
    below: int, kind: IndexKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_tuning, "EXACT_BELOW", below)
    monkeypatch.setattr(index_tuning, "WORTH_IT", 1.0)
    assert tune_index(ITEMS, USERS, AUTO).record.kind is kind


@pytest.mark.usefixtures("no_exact")
@pytest.mark.parametrize("target", [0.8, 0.95, 0.99])
def test_what_is_chosen_reaches_its_target_and_compares_a_part(target: float) -> None:
    tuned = tune_index(ITEMS, USERS, IndexConfig(recall_target=target))
    assert tuned.record.kind in {IndexKind.IVF, IndexKind.HNSW}
    assert tuned.record.recall >= tuned.record.recall_target == target
    assert tuned.record.compared < 1
    found = recall_in_numpy(tuned, ITEMS, USERS.held_out)
    assert found == pytest.approx(tuned.record.recall, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_asked_for_reaches_its_target(kind: IndexKind) -> None:
    tuned = tune_index(ITEMS, USERS, IndexConfig(kind=kind, recall_target=0.9))
    record = tuned.record
    assert (record.kind, record.note) == (kind, "asked for")
    assert record.memory_bytes == estimate_bytes(kind, 4000, 16)
    assert record.recall >= 0.9
    # ItemIndex scores what is found anew, and asks for one more than k: never less is found.
    assert recall_in_numpy(tuned, ITEMS, USERS.held_out) >= record.recall - 1e-3


def test_the_effort_is_little_more_than_is_needed() -> None:
    """To an eighth: with a third less the queries that it was tuned with would miss the target."""
    tuned = tune_index(ITEMS, USERS, IndexConfig(kind="ivf", recall_target=0.95))
    tuning = tune_index(ITEMS, Queries(USERS.tuning, USERS.tuning), IndexConfig(kind="ivf")).record
    assert 0 < tuned.record.effort < tuned.index.nlist
    assert tuned.record.effort <= tuning.effort, "less is wanted, less is done"
    less = tuned.record.model_copy(update={"effort": tuned.record.effort * 2 // 3})
    assert recall_in_numpy(Tuned(tuned.index, less), ITEMS, USERS.tuning) < 0.95


@given(least=st.integers(1, 3000), more=st.integers(0, 3000))
def test_the_least_effort_is_found_to_an_eighth(least: int, more: int) -> None:
    tried: list[int] = []

    def reaches(effort: int) -> bool:
        tried.append(effort)
        return effort >= least

    found = _least(reaches, least + more)
    assert least <= found <= max(least + 1, least * 8 / 7 + 1)
    assert max(tried, default=0) <= least + more
    assert len(tried) <= 2 * 12


@pytest.mark.usefixtures("no_exact")
def test_clusters_that_compare_too_many_give_way_to_a_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Vectors without any order: what is near is everywhere."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(4000, 32)).astype(np.float32)
    users = asked(rng.normal(size=(200, 32)).astype(np.float32))
    of_kind = {
        kind: tune_index(items, users, IndexConfig(kind=kind)).record for kind in ("ivf", "hnsw")
    }
    assert of_kind["hnsw"].compared < of_kind["ivf"].compared
    assert of_kind["ivf"].compared > WORTH_IT
    record = tune_index(items, users, AUTO).record
    assert record.kind is IndexKind.HNSW
    assert record.note == "compares the fewest items of those that were tried"
    monkeypatch.setattr(index_tuning, "WORTH_IT", 1.0)
    first = tune_index(items, users, AUTO).record
    assert first.kind is IndexKind.IVF
    assert first.note == "the first that compares few items"


@pytest.mark.usefixtures("no_exact")
def test_where_all_would_be_compared_it_is_exact() -> None:
    """Of 200 items 100 are wanted."""
    record = tune_index(ITEMS[:200], USERS, IndexConfig(recall_target=1.0)).record
    assert record.kind is IndexKind.EXACT
    assert record.note == "no approximate index reached the recall"


@pytest.mark.usefixtures("no_exact")
def test_a_memory_limit_leaves_only_what_fits() -> None:
    """20,000 × 64: exact 4.9 MB, ivf 5.2, hnsw 10.1; a byte a dimension 1.5, a short code .6."""
    items, users = clustered(20_000, 64), asked(clustered(200, 64, seed=1))
    sizes = {kind: estimate_bytes(kind, 20_000, 64) / MEGABYTE for kind in KINDS}
    assert sizes[IndexKind.IVF_PQ] < 1 < sizes[IndexKind.IVF_SQ8] < 2 < sizes[IndexKind.EXACT]
    for limit, kinds in ((1, {IndexKind.IVF_PQ}), (2, {IndexKind.IVF_SQ8, IndexKind.IVF_PQ})):
        tuned = tune_index(items, users, IndexConfig(recall_target=0.8, memory_limit=limit))
        assert tuned.record.kind in kinds
        assert tuned.record.memory_bytes <= limit * MEGABYTE
        assert recall_in_numpy(tuned, items, users.held_out) >= 0.8
    large = tune_index(items, users, IndexConfig(recall_target=0.8, memory_limit=6)).record
    assert large.kind is IndexKind.IVF


def test_even_a_small_catalogue_keeps_to_the_limit() -> None:
    """20,000 × 64 exactly are 4.9 MB."""
    items, users = clustered(20_000, 64), asked(clustered(200, 64, seed=1))
    exact = tune_index(items, users, IndexConfig(memory_limit=5)).record
    short = tune_index(items, users, IndexConfig(memory_limit=4, recall_target=0.8)).record
    assert exact.kind is IndexKind.EXACT
    assert short.kind in {IndexKind.IVF_SQ8, IndexKind.IVF_PQ}


def test_a_limit_that_nothing_keeps_to_is_told_with_what_is_needed() -> None:
    """The shortest of 20,000 × 256, 64 bytes and an id of 8 each, are 2 MB with their clusters."""
    items, users = clustered(20_000, 256), asked(clustered(200, 256, seed=1))
    least = -(-(20_000 * (64 + 8) + 512 * 1024 + 256 * 1024) // MEGABYTE)
    sentence = f"memory_limit: expected at least {least} MB for this catalogue, found 1"
    with pytest.raises(InputError, match=sentence):
        tune_index(items, users, IndexConfig(memory_limit=1))
    with pytest.raises(InputError, match="at least 20 MB for this catalogue, found 19"):
        tune_index(items, users, IndexConfig(kind="exact", memory_limit=19))


@pytest.mark.usefixtures("no_exact")
def test_of_one_dimension_nothing_is_shorter_than_exact() -> None:
    """300,000 numbers are 1.1 MB; with an id to each every other index is above 2."""
    items = np.arange(300_000, dtype=np.float32)[:, None]
    users = Queries(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))
    assert tune_index(items, users, IndexConfig(memory_limit=2)).record.kind is IndexKind.EXACT


def test_a_target_out_of_reach_of_the_kind_is_told_with_what_it_reaches() -> None:
    """13 is prime: a code is a single byte, and the 1,600 best by it aren't all of the true 100."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(4000, 13)).astype(np.float32)
    users = asked(rng.normal(size=(200, 13)).astype(np.float32))
    with pytest.raises(
        InputError,
        match=r"recall_target: expected at most 0\.\d{4}, which ivf_pq reaches, found 1\.0; take",
    ):
        tune_index(items, users, IndexConfig(kind="ivf_pq", recall_target=1.0))


@pytest.mark.parametrize("num_items", [150, 200, 1000])
def test_all_clusters_hold_all_of_the_true_best(num_items: int) -> None:
    """The last of 100 out of 200 scores about 0: there rounding is large beside the score."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(num_items, 64)).astype(np.float32)
    users = asked(rng.normal(size=(200, 64)).astype(np.float32))
    record = tune_index(items, users, IndexConfig(kind="ivf", recall_target=1.0)).record
    assert record.recall == 1.0


def test_too_few_items_for_a_short_code_are_told() -> None:
    with pytest.raises(
        InputError,
        match="index_kind: expected another than ivf_pq, which needs 256 items, found a catalogue "
        "of 255",
    ):
        tune_index(ITEMS[:255], USERS, IndexConfig(kind="ivf_pq"))
    record = tune_index(ITEMS[:256], USERS, IndexConfig(kind="ivf_pq", recall_target=0.5)).record
    assert record.kind is IndexKind.IVF_PQ


def test_too_few_items_for_a_short_code_never_try_one() -> None:
    """255 × 2,048 exactly are 2 MB; a byte a dimension, 0.5 MB, compares more than is worth it."""
    items = np.random.default_rng(0).normal(size=(255, 2048)).astype(np.float32)
    with pytest.raises(InputError, match="memory_limit: expected at least 2 MB"):
        tune_index(items, asked(items), IndexConfig(memory_limit=1, recall_target=0.9))


# Vectors of other shapes.


@pytest.mark.parametrize("kind", KINDS)
def test_of_equal_scores_any_are_right(kind: IndexKind) -> None:
    """Popularity: 5,000 items of 50 numbers of takers, all asked the same."""
    taken = np.random.default_rng(0).zipf(1.5, 5000).clip(max=50).astype(np.float32)
    ones = np.ones((20, 1), dtype=np.float32)
    tuned = tune_index(taken[:, None], Queries(ones[:10], ones[10:]), IndexConfig(kind=kind))
    assert tuned.record.recall >= 0.99
    assert recall_in_numpy(tuned, taken[:, None], ones[:1]) >= 0.99


@pytest.mark.usefixtures("no_exact")
def test_lengths_of_vectors_count() -> None:
    """Some are a hundred times as long: the largest inner product is not the nearest direction."""
    rng = np.random.default_rng(0)
    items = clustered(4000) * 10 ** rng.uniform(-1, 1, size=(4000, 1)).astype(np.float32)
    tuned = tune_index(items, USERS, AUTO)
    assert tuned.record.recall >= 0.99
    assert recall_in_numpy(tuned, items, USERS.held_out) >= 0.99


@pytest.mark.parametrize("kind", ["auto", *KINDS])
def test_without_queries_nothing_is_claimed_of_many(kind: str) -> None:
    nobody = np.empty((0, 16), dtype=np.float32)
    record = tune_index(ITEMS, Queries(nobody, nobody), IndexConfig(kind=kind)).record
    assert (record.num_queries, record.recall) == (0, 1.0)


@pytest.mark.parametrize("kind", ["auto", *(kind for kind in KINDS if kind != "ivf_pq")])
@pytest.mark.parametrize("num_items", [1, 99])
def test_fewer_items_than_are_asked_for_are_all_found(kind: str, num_items: int) -> None:
    tuned = tune_index(ITEMS[:num_items], USERS, IndexConfig(kind=kind, recall_target=1.0))
    assert (tuned.record.recall_k, tuned.record.recall) == (num_items, 1.0)
    index = ItemIndex(ITEMS[:num_items], tuned.index, tuned.record)
    assert sorted(index.search(USERS.held_out[0], num_items).items) == list(range(num_items))


@pytest.mark.usefixtures("no_exact")
@pytest.mark.parametrize("kind", ["auto", "ivf_pq", "hnsw"])
def test_the_same_is_chosen_again(kind: str, tmp_path: Path) -> None:
    config = IndexConfig(kind=kind, recall_target=0.9)
    tuned = [tune_index(ITEMS, USERS, config) for _ in range(2)]
    assert tuned[0].record == tuned[1].record
    for number, one in enumerate(tuned):
        faiss.write_index(one.index, str(tmp_path / f"{number}"))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_held_out_queries_that_want_more_are_given_more() -> None:
    """Tuned with items themselves, whose neighbours are near; users lie anywhere."""
    others = np.random.default_rng(5).normal(size=(100, 16)).astype(np.float32)
    config = IndexConfig(kind="ivf", recall_target=0.95)
    easy = tune_index(ITEMS, Queries(ITEMS[:100] * 3, ITEMS[:100] * 3), config).record
    mixed = tune_index(ITEMS, Queries(ITEMS[:100] * 3, others), config)
    assert mixed.record.effort > easy.effort
    assert mixed.record.recall >= 0.95
    assert recall_in_numpy(mixed, ITEMS, others) >= 0.95


# Options.


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("flat", 0.9, 0), "index_kind: expected auto or exact or ivf or .*, found flat"),
        (("auto", 0.0, 0), "recall_target: expected above 0, at most 1, found 0.0"),
        (("auto", 1.01, 0), "recall_target: expected above 0, at most 1, found 1.01"),
        (("auto", float("nan"), 0), "recall_target: expected above 0, at most 1, found nan"),
        (("auto", 0.9, -1), "memory_limit: expected 0 or more, found -1"),
    ],
)
def test_options_out_of_range_are_told(given: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        IndexConfig.parse(*given)


def test_options_are_taken_as_given() -> None:
    assert IndexConfig.parse("ivf_sq8", 1.0, 7) == IndexConfig(
        kind="ivf_sq8", recall_target=1.0, memory_limit=7
    )
