"""A Dataset written by hand: what is in the file is what is in memory; damage is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from towerflow import schema
from towerflow.errors import InputError
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE, Dataset
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, read_manifest

TRAIN, VALIDATION, TEST = Split
# u has one event of each kind, v too few to be judged by.
EVENTS = [
    [0, 0, 0, 1, 1],
    ["u", "u", "u", "v", "v"],
    [2, 0, 1, 1, 2],
    [1.0, 2.0, 3.0, 5.0, 6.0],
    [TRAIN, VALIDATION, TEST, TRAIN, TRAIN],
]


def write(path: Path, kind: ArtifactKind = ArtifactKind.DATASET) -> Path:
    """Three items and two users."""
    items = [[0, 1, 2], ["a", "b", "c"], ["A", "B", "C"], ["ta", "tb", "tc"]]
    with new_artifact(path, kind, "test") as draft:
        pq.write_table(pa.table(items, schema=schema.ITEMS_SCHEMA), draft.folder / ITEMS_FILE)
        events = pa.table(EVENTS, schema=schema.INTERACTIONS_SCHEMA)
        pq.write_table(events, draft.folder / INTERACTIONS_FILE)
    return path


def test_every_column_is_read(tmp_path: Path) -> None:
    data = Dataset.open(write(tmp_path / "d"))
    assert (data.item_ids, data.titles, data.texts) == (
        ["a", "b", "c"],
        ["A", "B", "C"],
        ["ta", "tb", "tc"],
    )
    assert data.user_ids == ["u", "v"]
    assert (data.num_items, data.num_users) == (3, 2)
    assert data.user_index.tolist() == EVENTS[0]
    assert data.item_index.tolist() == EVENTS[2]
    assert data.timestamp.tolist() == EVENTS[3]
    assert data.split.tolist() == EVENTS[4]
    assert data.content_hash == read_manifest(tmp_path / "d").content_hash


def test_a_user_without_events_in_a_split_has_an_empty_list_there(tmp_path: Path) -> None:
    data = Dataset.open(write(tmp_path / "d"))
    found = {split: [data.lists(split)[user].tolist() for user in range(2)] for split in Split}
    assert found == {TRAIN: [[2], [1, 2]], VALIDATION: [[0], []], TEST: [[1], []]}


def test_another_kind_of_artifact_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d", ArtifactKind.INDEX)
    with pytest.raises(InputError, match="an artifact of kind dataset, found index"):
        Dataset.open(tmp_path / "d")


@pytest.mark.parametrize("file", [ITEMS_FILE, INTERACTIONS_FILE])
def test_a_file_that_is_gone_is_named(tmp_path: Path, file: str) -> None:
    (write(tmp_path / "d") / file).unlink()
    with pytest.raises(InputError, match=rf"{file}: expected a file that the manifest lists"):
        Dataset.open(tmp_path / "d")


def test_columns_to_slice_by_are_read_by_the_users_names(tmp_path: Path) -> None:
    path = write(tmp_path / "before")
    countries, devices = ["DE", None, "DE"], ["tv", "tv", None, None, "pc"]
    items = pq.read_table(path / ITEMS_FILE).append_column("slice:a:b", pa.array(countries))
    events = pq.read_table(path / INTERACTIONS_FILE)
    events = events.append_column("slice:device", pa.array(devices))
    nowhere = pa.nulls(len(events), pa.string())
    events = events.append_column("slice:nowhere", nowhere)
    with new_artifact(tmp_path / "d", ArtifactKind.DATASET, "test") as draft:
        pq.write_table(items, draft.folder / ITEMS_FILE)
        pq.write_table(events, draft.folder / INTERACTIONS_FILE)
    data = Dataset.open(tmp_path / "d")
    assert data.item_columns == {"a:b": countries}
    assert data.event_columns == {"device": devices, "nowhere": [None] * len(devices)}
    assert data.item_columns["a:b"][0] is data.item_columns["a:b"][2]  # one object
    without = Dataset.open(path)
    assert (without.item_columns, without.event_columns) == ({}, {})
    assert (without.titles, without.split.tolist()) == (data.titles, data.split.tolist())
