"""A real Beam run: order restored, whatever the order of the files."""

from pathlib import Path

import pytest

from towerflow.ingest.check import ITEMS
from towerflow.ingest.files import find_files
from towerflow.ingest.pipeline import read_and_check


@pytest.mark.parametrize("backwards", [False, True])
def test_all_rows_come_back_in_order_of_file_and_row(tmp_path: Path, backwards: bool) -> None:
    raw, work = tmp_path / "raw", tmp_path / "work"
    raw.mkdir()
    work.mkdir()
    (raw / "1.csv").write_text("item_id,title\na,Apple\n,nobody\nb,Bread\n")
    (raw / "2.jsonl").write_text('{"item_id": "c", "title": "Cheese"}\n{"item_id": "d"}\n')
    files = find_files(str(raw))
    accepted, rejected = read_and_check(files[::-1] if backwards else files, ITEMS, work)
    assert accepted["item_id"].to_pylist() == ["a", "b", "c"]
    assert [
        (Path(row["file"]).name, row["row"], row["reason"]) for row in rejected.to_pylist()
    ] == [
        ("1.csv", 2, "no item_id"),
        ("2.jsonl", 2, "no text"),
    ]
