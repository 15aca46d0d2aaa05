"""Reading: the same rows from every format, and no exception from any bytes."""

import datetime
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest import read
from towerflow.ingest.files import RawFile
from towerflow.ingest.read import UNREADABLE, as_text, read_tables

COLUMNS = ("item_id", "title")
ROWS = [("1", "Apple, green"), ("2", 'The "Bread"'), ("3", "Käse 奶酪")]


def rows(path: Path, format_: str, columns: tuple[str, ...] = COLUMNS) -> list[dict[str, Any]]:
    """All rows, as dicts."""
    tables = list(read_tables(RawFile(str(path), format_), columns))
    return [row for table in tables for row in table.to_pylist()]


def write(path: Path, format_: str) -> Path:
    """ROWS in a format."""
    if format_ == "parquet":
        table = {"item_id": [int(key) for key, _ in ROWS], "title": [text for _, text in ROWS]}
        pq.write_table(pa.table({**table, "more": [0.5] * 3}), path)
        return path
    if format_ == "jsonl":
        lines = [json.dumps({"title": text, "item_id": int(key)}) for key, text in ROWS]
        text = "\n".join([*lines, ""])
    elif format_ == "csv":
        lines = [f'{key},"{text.replace(chr(34), chr(34) * 2)}"' for key, text in ROWS]
        text = "\r\n".join(["item_id,title", *lines, ""])
    else:
        text = "\n".join(["item_id\ttitle", *("\t".join(row) for row in ROWS), ""])
    content = text.encode("utf-8-sig")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    ("name", "format_"),
    [("x.csv", "csv"), ("x.csv.gz", "csv"), ("x.tsv", "tsv"), ("x.jsonl", "jsonl"),
     ("x.jsonl.gz", "jsonl"), ("x.parquet", "parquet")],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, format_: str) -> None:
    path = write(tmp_path / name, format_)
    assert rows(path, format_) == [
        {"item_id": key, "title": text, "problem": None, "raw": None, "file": str(path), "row": row}
        for row, (key, text) in enumerate(ROWS, start=1)
    ]


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_rows_are_numbered_across_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    monkeypatch.setattr(read, "ROWS_AT_ONCE", 2)
    tables = list(read_tables(RawFile(str(write(tmp_path / "x", format_)), format_), COLUMNS))
    assert [table["row"].to_pylist() for table in tables] == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("x", "x"),
        (42, "42"),
        (42.0, "42"),
        (4.5, "4.5"),
        (True, "True"),
        ([["Office", "Paper"], None, ["Gifts"]], "Office Paper Gifts"),
        ([], ""),
        ({"a": "ä"}, '{"a": "ä"}'),
    ],
)
def test_values_become_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_half_a_surrogate_pair_and_nul_bytes_do_not_stop_the_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"item_id": "\\ud83d", "title": "a\\u0000b"}\n')
    (row,) = rows(tmp_path / "x", "jsonl")
    assert (row["item_id"], row["title"]) == ("?", "a\x00b")


def test_bytes_that_are_not_utf8_stay_visible(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("item_id,title\n1,Käse\n".encode("latin-1"))
    assert rows(tmp_path / "x", "csv")[0]["title"] == "K\ufffdse"


def test_rows_that_cannot_be_parsed_are_kept_as_problems(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"item_id": 1}\n\n[1]\nnonsense\n' + b"[" * 99_999 + b"\n")
    found = rows(tmp_path / "x", "jsonl")
    assert [row["problem"] for row in found] == [None] + ["not a JSON object"] * 3
    assert [row["raw"] for row in found][1:3] == ["[1]\n", "nonsense\n"]
    assert len(found[3]["raw"]) == 1000


def test_a_csv_row_of_another_length_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'item_id,title\n1,"Apple\ngreen"\n\n2,Bread,fresh\n3\n')
    found = rows(tmp_path / "x", "csv")
    assert found[0]["title"] == "Apple\ngreen"
    assert [row["problem"] for row in found[1:]] == [
        "3 fields where the header has 2",
        "1 fields where the header has 2",
    ]


@pytest.mark.parametrize(
    ("name", "format_", "cut"), [("x.csv.gz", "csv", 12), ("x.parquet", "parquet", 60)]
)
def test_a_file_that_breaks_off_ends_in_a_problem(
    tmp_path: Path, name: str, format_: str, cut: int
) -> None:
    path = write(tmp_path / name, format_)
    path.write_bytes(path.read_bytes()[:-cut])
    assert rows(path, format_)[-1]["problem"].startswith(UNREADABLE)


def test_good_rows_before_a_break_are_kept(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'item_id,title\n1,Apple\n2,"Bre')
    found = rows(tmp_path / "x", "csv")
    assert found[0]["title"] == "Apple"
    assert (found[1]["row"], found[1]["problem"]) == (2, f"{UNREADABLE}: unexpected end of data")


DAY = datetime.datetime(2024, 5, 1, 12, 30, 0, 250_000, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (pa.array([DAY], pa.timestamp("us", "UTC")), DAY.timestamp()),
        (pa.array([DAY.replace(tzinfo=None)], pa.timestamp("ns")), DAY.timestamp()),
        (pa.array([DAY.date()], pa.date32()), DAY.timestamp() - 12.5 * 3600 - 0.25),
        (pa.array([7], pa.int32()), 7.0),
        (pa.array([7.5], pa.float32()), 7.5),
        (pa.array([2**60 + 1], pa.int64()), float(2**60)),
    ],
)
def test_parquet_timestamps_become_numbers(
    tmp_path: Path, values: pa.Array, seconds: float
) -> None:
    pq.write_table(pa.table({"timestamp": values}), tmp_path / "x")
    (row,) = rows(tmp_path / "x", "parquet", ("timestamp",))
    assert row["timestamp"] == seconds


@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_no_bytes_make_the_reader_raise(content: bytes, format_: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(b"item_id,title\n" + content)
        for row in rows(Path(file.name), format_):
            assert row["problem"] is None or row["problem"]


@given(st.binary(max_size=50).filter(lambda line: b"\n" not in line and b"\r" not in line))
def test_good_lines_around_any_line_are_never_lost(line: bytes) -> None:
    good = b'{"item_id": "%d", "title": "t"}\n'
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(good % 1 + line + b"\n" + good % 2)
        ids = [row["item_id"] for row in rows(Path(file.name), "jsonl") if not row["problem"]]
    assert ids[0] == "1"
    assert ids[-1] == "2"
