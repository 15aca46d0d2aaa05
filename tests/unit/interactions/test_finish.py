"""The last pass over a shard: what is written and what is counted are the same events."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from towerflow import schema
from towerflow.interactions.arrange import Rules
from towerflow.interactions.catalogue import write_catalogue
from towerflow.interactions.finish import DROPS, finish_shard, finished
from towerflow.interactions.splits import FewShot, SplitConfig, SplitKind
from towerflow.storage.filesystems import read_parquet, write_parquet

RULES = Rules(longest_history=5, max_history=4, min_user_interactions=2)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str]:
    """A shard of four users, and a catalogue of six items of which the last is dead and gone."""
    users = [0] * 6 + [1] * 5 + [2] * 2 + [3] * 3  # a bot, one with old events, two small ones
    items = [0, 1, 2, 3, 4, 0, 0, 1, 2, 3, 4, 0, 5, 1, 2, 3]
    table = {
        "user": pa.array(users, pa.int32()),
        "user_id": pa.array([f"u{user}" for user in users]).dictionary_encode(),
        "item_index": pa.array(items, pa.int32()),
        "timestamp": [float(time) for time in range(len(users))],
        "tie": pa.array(range(len(users)), pa.uint64()),
    }
    shard, catalogue = (str(tmp_path / name) for name in ("shard-00003.parquet", "catalogue"))
    write_parquet(shard, pa.table(table))
    alive = np.array([True] * 5 + [False])
    write_catalogue(catalogue, pa.array([f"i{n}" for n in range(6)]), alive, alive)
    return shard, catalogue


def test_every_event_is_written_or_counted(paths: tuple[str, str]) -> None:
    shard, catalogue = paths
    [counts] = finish_shard(shard, RULES, catalogue, SplitConfig(), (0, 0)).to_pylist()
    assert [counts[name] for name in DROPS] == [6, 1, 1, 1, 0]
    assert counts["interactions"] == 4 + 3
    assert (counts["train"], counts["validation"], counts["test"]) == (2 + 1, 2, 2)
    written = read_parquet(finished(shard))
    assert written.schema.equals(schema.INTERACTIONS_SCHEMA)
    assert written[schema.USER_INDEX].to_pylist() == [0] * 4 + [1] * 3
    assert written[schema.USER_ID].to_pylist() == ["u1"] * 4 + ["u3"] * 3
    assert written[schema.ITEM_INDEX].to_pylist() == [1, 2, 3, 4, 1, 2, 3]


def test_columns_to_slice_by_stay_with_their_events(paths: tuple[str, str]) -> None:
    shard, catalogue = paths
    places = pa.array([None if row % 4 == 0 else f"place {row}" for row in range(16)])
    write_parquet(shard, read_parquet(shard).append_column("slice:place", places))
    finish_shard(shard, RULES, catalogue, SplitConfig(), (0, 0))
    written = read_parquet(finished(shard))
    assert written.schema.names == [*schema.INTERACTIONS_SCHEMA.names, "slice:place"]
    times = written[schema.TIMESTAMP].to_pylist()  # the number of the row
    assert written["slice:place"].to_pylist() == [places[int(time)].as_py() for time in times]
    assert times == [7, 8, 9, 10, 13, 14, 15]


@pytest.mark.parametrize("kind", SplitKind)
@pytest.mark.parametrize("few", FewShot)
def test_whatever_the_split_counts_and_rows_agree(
    paths: tuple[str, str], kind: SplitKind, few: FewShot
) -> None:
    shard, catalogue = paths
    split = SplitConfig(kind=kind, few_shot=few, share=0.3)
    [counts] = finish_shard(shard, RULES, catalogue, split, (8, 14)).to_pylist()
    labels = read_parquet(finished(shard))[schema.SPLIT].to_pylist()
    assert counts["interactions"] == len(labels)
    assert counts["interactions"] + sum(counts[name] for name in DROPS) == 16
    assert [counts[name] for name in schema.Split] == [labels.count(name) for name in schema.Split]
    if kind in (SplitKind.TEMPORAL, SplitKind.RANDOM):  # u1 has two training events
        assert counts["dropped_few_shot"] == (0 if few is FewShot.NONE else 1)


def test_the_finished_shard_lies_beside_the_raw_one() -> None:
    assert finished("gs://b/shard-x/shard-00001.parquet") == "gs://b/shard-x/finished-00001.parquet"
