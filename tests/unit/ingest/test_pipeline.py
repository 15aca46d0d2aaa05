"""A real Beam run: every row accounted for, users together, order restored."""

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest import files
from towerflow.ingest.beam_runner import BeamRunner
from towerflow.ingest.check import KnownItems
from towerflow.ingest.files import find_files
from towerflow.ingest.layout import Layout
from towerflow.ingest.pipeline import (
    CheckInteractions,
    ingest_interactions,
    ingest_items,
    key_by_user,
    read_known_items,
    write_known_items,
)
from towerflow.interactions.arrange import arrange
from towerflow.interactions.filters import Repeats
from towerflow.interactions.hashing import hash_ids
from towerflow.storage.filesystems import read_parquet
from towerflow.text.template import parse_template

ITEM_COLUMNS = ("item_id", "title")
EVENT_COLUMNS = ("user_id", "item_id", "timestamp")


@pytest.mark.parametrize("backwards", [False, True])
def test_items_come_back_with_rejects_in_order_of_file_and_row(
    tmp_path: Path, backwards: bool
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "1.csv").write_text("item_id,title\na,Apple\n,nobody\nb,Bread\n")
    (raw / "2.jsonl").write_text('{"item_id": "c", "title": "Cheese"}\n{"item_id": "d"}\n')
    found_files = find_files(str(raw), [Layout()])
    accepted, found = ingest_items(
        BeamRunner(),
        found_files[::-1] if backwards else found_files,
        ITEM_COLUMNS,
        parse_template("{title}"),
        str(tmp_path),
    )
    assert sorted(accepted["item_id"].to_pylist()) == ["a", "b", "c"]
    assert [
        (Path(row["file"]).name, row["row"], row["reason"]) for row in found.rejected.to_pylist()
    ] == [("1.csv", 2, "no item_id"), ("2.jsonl", 2, "no text")]
    assert found.rows_read == 5


def test_rows_of_pieces_are_told_as_rows_of_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", 50)
    lines = [f'{{"item_id": "i{n}", "title": "{"x" * (n % 7)}"}}\n' for n in range(40)]
    (tmp_path / "x.jsonl").write_text("".join(lines))
    found = find_files(str(tmp_path / "x.jsonl"), [Layout()])
    accepted, ingested = ingest_items(
        BeamRunner(), found, ITEM_COLUMNS, parse_template("{title}"), str(tmp_path)
    )
    untitled = [n for n in range(40) if n % 7 == 0]
    path = str(tmp_path / "x.jsonl")
    assert ingested.rejected["row"].to_pylist() == [n + 1 for n in untitled]
    assert ingested.rejected["file"].to_pylist() == [path] * len(untitled)
    places = zip(accepted["item_id"].to_pylist(), accepted["row"].to_pylist(), strict=True)
    assert all(name == f"i{row - 1}" for name, row in places)
    assert set(accepted["file"].to_pylist()) == {path}
    assert ingested.rows_read == 40


def test_interactions_come_back_by_user_with_every_row_counted(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,timestamp\nu,a,3\nv,a,1\nu,b,1\nu,a,9\nu,x,2\nw,b,soon\n")
    known = str(tmp_path / "known.parquet")
    write_known_items(known, KnownItems(pa.array(["a", "b"]), pa.array([], pa.string())))
    shards, found = ingest_interactions(
        BeamRunner(),
        find_files(str(log), [Layout()]),
        EVENT_COLUMNS,
        CheckInteractions(known, None, 4),
        partial(arrange, repeats=Repeats.FIRST),
        str(tmp_path),
    )
    rows = [row for path in shards for row in read_parquet(path).to_pylist()]
    by_user = {user: [row["item_index"] for row in rows if row["user_id"] == user] for user in "uv"}
    assert by_user == {"u": [1, 0], "v": [0]}
    assert found.rejected["reason"].to_pylist() == ["unknown item", "unparsable timestamp"]
    assert found.rows_read == 6
    assert found.dropped == {"dropped_repeats": 1, "dropped_low_rating": 0}
    assert found.rows_read == len(rows) + len(found.rejected) + 1


users = st.lists(st.text(min_size=1, max_size=3), max_size=20)


@given(users, st.sampled_from([1, 2, 8, 64]))
def test_a_users_rows_are_in_one_shard_and_shards_are_in_order_of_the_hash(
    ids: list[str], num_shards: int
) -> None:
    columns = {
        "user_id": pa.array(ids, pa.string()),
        "item_index": pa.array(np.arange(len(ids)), pa.int32()),
        "timestamp": pa.array(np.zeros(len(ids))),
    }
    item_hash = hash_ids(pa.array([f"i{n}" for n in range(len(ids))], pa.string()))
    shards = list(key_by_user(pa.table(columns), item_hash, num_shards))
    numbers = [number for number, _ in shards]
    assert numbers == sorted(set(numbers))
    assert all(0 <= number < num_shards for number in numbers)
    owners = [set(table["user_id"].to_pylist()) for _, table in shards]
    assert sum(map(len, owners)) == len(set(ids))
    hashes = [hash_ids(table["user_id"].combine_chunks()).astype(float) for _, table in shards]
    assert all(one.max() <= other.min() for one, other in itertools.pairwise(hashes))
    assert sum(len(table) for _, table in shards) == len(ids)


def test_known_items_travel_unchanged(tmp_path: Path) -> None:
    known = KnownItems(pa.array(["a", "b"]), pa.array(["x"]))
    write_known_items(str(tmp_path / "known"), known)
    found = read_known_items(str(tmp_path / "known"))
    assert found.item_ids.to_pylist() == ["a", "b"]
    assert found.rejected_ids.to_pylist() == ["x"]
