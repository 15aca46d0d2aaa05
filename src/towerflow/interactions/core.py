"""Iterative k-core: users and items with too few interactions go until all have enough."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import apache_beam as beam
import numpy as np
import pyarrow as pa

from towerflow.ingest.beam_runner import BeamRunner, join
from towerflow.interactions.arrange import Rules, count_items
from towerflow.interactions.filters import BoolArray
from towerflow.interactions.histories import IntArray
from towerflow.storage.filesystems import read_parquet, write_parquet

ROUNDS_PER_PIPELINE: Final = 4  # starting a pipeline takes minutes on a cluster, a round seconds


def items_of_core(
    runner: BeamRunner,
    shards: Sequence[str],
    rules: Rules,
    num_items: int,
    min_item_interactions: int,
    workspace: str,
) -> IntArray:
    """`[num_items]` interactions of each item in the core, 0 for items outside.

    A round counts items over the shards, without users who have too few, then lets go of the items
    that have too few. It hands on a bit an item: events never move, and a shard's users are its own
    affair. It ends when a round lets nothing go.
    """
    mask = join(workspace, "alive.parquet")
    alive = np.ones(num_items, dtype=bool)
    while True:
        write_parquet(mask, pa.table({"alive": alive}))
        result = join(workspace, "core.parquet")
        with runner.pipeline() as pipeline:
            paths = pipeline | "Name the shards" >> beam.Create(list(shards)) | beam.Reshuffle()
            rounds = [pipeline | "Begin" >> beam.Create([mask]) | beam.Map(_read_mask)]
            for number in range(ROUNDS_PER_PIPELINE):
                counts = (
                    paths
                    | f"Count items {number}"
                    >> beam.Map(
                        partial(_count, rules=rules, num_items=num_items),
                        beam.pvalue.AsSingleton(rounds[-1]),
                    )
                    | f"Add {number}" >> beam.CombineGlobally(_add)
                )
                rounds.append(
                    counts | f"Let go {number}" >> beam.Map(_enough, least=min_item_interactions)
                )
            counts | "Hand over" >> beam.Map(
                _hand_over, beam.pvalue.AsSingleton(rounds[-2]), path=result
            )
        found = read_parquet(result)
        counted, before = found["count"].to_numpy(), found["alive"].to_numpy()
        alive = before & (counted >= min_item_interactions)
        if (alive == before).all() or not alive.any():
            return np.where(alive, counted, 0)


def _count(path: str, alive: BoolArray, rules: Rules, num_items: int) -> IntArray:
    return count_items(path, rules, alive, num_items)


def _add(counts: Iterable[IntArray]) -> IntArray:
    total = np.zeros(1, dtype=np.int64)
    for one in counts:
        total = total + one
    return total


def _enough(counts: IntArray, least: int) -> BoolArray:
    enough: BoolArray = counts >= least
    return enough


def _read_mask(path: str) -> BoolArray:
    mask: BoolArray = read_parquet(path)["alive"].to_numpy()
    return mask


def _hand_over(counts: IntArray, alive: BoolArray, path: str) -> None:
    write_parquet(path, pa.table({"count": counts, "alive": alive}))
