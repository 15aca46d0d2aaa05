"""The last steps: each item once, one file of interactions whatever the shards were."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from towerflow import schema
from towerflow.ingest.check import CHECKED_ITEMS
from towerflow.interactions import assemble
from towerflow.interactions.assemble import REPEATED_ITEM, unique_items, write_interactions
from towerflow.storage.filesystems import write_parquet


def items(*rows: tuple[str, str]) -> pa.Table:
    """Checked items: id and text."""
    ids, texts = zip(*rows, strict=True)
    columns = [["f"] * len(rows), list(range(1, len(rows) + 1)), ids, texts, texts]
    return pa.table([pa.array(column) for column in columns], schema=CHECKED_ITEMS)


def test_items_are_in_order_of_their_ids() -> None:
    found = unique_items(items(("b", "x"), ("a", "y"), ("10", "z"), ("9", "w")))
    assert found.accepted[schema.ITEM_ID].to_pylist() == ["10", "9", "a", "b"]
    assert len(found.rejected) == 0


@pytest.mark.parametrize("backwards", [False, True])
def test_of_items_with_one_id_the_one_that_says_most_stays(backwards: bool) -> None:
    rows = [("a", "Pen"), ("a", "Pen, blue"), ("b", "Ink"), ("a", "Pan, blue")]
    found = unique_items(items(*(rows[::-1] if backwards else rows)))
    assert found.accepted[schema.TEXT].to_pylist() == ["Pan, blue", "Ink"]
    assert found.rejected[schema.REASON].to_pylist() == [REPEATED_ITEM] * 2
    assert found.rejected[schema.ITEM_ID].to_pylist() == ["a", "a"]
    assert '"Pen, blue"' in found.rejected[schema.RAW].to_pylist()[0]


@pytest.mark.parametrize("backwards", [False, True])
def test_of_items_that_say_the_same_the_one_that_can_be_sliced_stays(backwards: bool) -> None:
    values = [None, "NL", "DE"]
    same = items(*[("a", "Pen")] * 3).append_column("slice:country", pa.array(values))
    found = unique_items(same.take([2, 1, 0]) if backwards else same)
    assert found.accepted["slice:country"].to_pylist() == ["DE"]
    assert len(found.rejected) == 2


def finished(folder: Path, sizes: list[int]) -> list[str]:
    """Shards of one user each, with so many events; some shards may be empty."""
    paths, start = [], 0
    for number, size in enumerate(sizes):
        columns = [[0] * size, [f"u{number}"] * size, range(start, start + size)]
        columns += [[1.0] * size, ["train"] * size]
        types = [field.type for field in schema.INTERACTIONS_SCHEMA]
        arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
        paths.append(str(folder / f"finished-{number}.parquet"))
        write_parquet(paths[-1], pa.table(arrays, schema=schema.INTERACTIONS_SCHEMA))
        start += size
    return paths


@pytest.mark.parametrize("sizes", [[12], [5, 0, 7], [1] * 12, [4, 4, 4]])
def test_the_file_has_the_same_rows_and_groups_however_they_were_sharded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    monkeypatch.setattr(assemble, "ROWS_PER_GROUP", 5)
    path = tmp_path / "interactions.parquet"
    num_users = write_interactions(finished(tmp_path, sizes), path, ())
    table = pq.read_table(path)
    assert table.schema.equals(schema.INTERACTIONS_SCHEMA)
    assert table[schema.ITEM_INDEX].to_pylist() == list(range(12))
    users = [number for number, size in enumerate(s for s in sizes if s) for _ in range(size)]
    assert table[schema.USER_INDEX].to_pylist() == users
    assert num_users == len([size for size in sizes if size])
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [5, 5, 2]
