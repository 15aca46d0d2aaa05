"""The k-core: what a loop over plain lists finds, with users in any number of shards."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from towerflow.ingest.beam_runner import BeamRunner
from towerflow.interactions.arrange import Rules
from towerflow.interactions.core import items_of_core
from towerflow.storage.filesystems import write_parquet

NUM_ITEMS = 60


def core(pairs: set[tuple[int, int]], min_user: int, min_item: int) -> set[tuple[int, int]]:
    """The definition, by hand."""
    while True:
        users = [user for user, _ in pairs]
        left = {(u, i) for u, i in pairs if users.count(u) >= min_user}
        items = [item for _, item in left]
        left = {(u, i) for u, i in left if items.count(i) >= min_item}
        if left == pairs:
            return left
        pairs = left


def shards(folder: Path, pairs: set[tuple[int, int]], count: int) -> list[str]:
    """Users spread over files."""
    paths = []
    for shard in range(count):
        mine = sorted(pair for pair in pairs if pair[0] % count == shard)
        user, item = np.array(mine, dtype=np.int32).reshape(-1, 2).T
        code = np.unique(user, return_inverse=True)[1].astype(np.int32)
        paths.append(str(folder / f"shard-{shard:05}.parquet"))
        write_parquet(paths[-1], pa.table({"user": code, "item_index": item}))
    return paths


def found(folder: Path, pairs: set[tuple[int, int]], count: int, least: int) -> list[int]:
    """Interactions of each item in the core, as the pipeline counts them."""
    rules = Rules(longest_history=None, max_history=0, min_user_interactions=least)
    paths = shards(folder, pairs, count)
    counts = items_of_core(BeamRunner(), paths, rules, NUM_ITEMS, least, str(folder))
    return counts.tolist()


@pytest.mark.parametrize(("count", "least"), [(1, 3), (3, 2), (4, 4)])
def test_it_is_the_core_of_the_definition(tmp_path: Path, count: int, least: int) -> None:
    rng = np.random.default_rng(count)
    popular = (rng.zipf(1.6, 260) % NUM_ITEMS).tolist()
    pairs = set(zip(rng.integers(0, 40, 260).tolist(), popular, strict=True))
    items = [item for _, item in core(pairs, least, least)]
    assert items, "else nothing is tested"
    assert len(items) < len(pairs)
    assert found(tmp_path, pairs, count, least) == [items.count(i) for i in range(NUM_ITEMS)]


def test_a_chain_falls_link_by_link_over_several_pipelines(tmp_path: Path) -> None:
    """User n has items n and n + 1: a 2-core that loses one user and one item a round."""
    chain = {(n, n) for n in range(12)} | {(n, n + 1) for n in range(12)}
    assert core(chain, 2, 2) == set()
    assert found(tmp_path, chain, 2, 2) == [0] * NUM_ITEMS


def test_a_ring_stays_whole(tmp_path: Path) -> None:
    ring = {(n, n) for n in range(12)} | {(n, (n + 1) % 12) for n in range(12)}
    assert found(tmp_path, ring, 2, 2) == [2] * 12 + [0] * (NUM_ITEMS - 12)
