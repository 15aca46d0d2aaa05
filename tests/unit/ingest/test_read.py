"""Reading: the same rows from every format, and no exception from any bytes."""

import contextlib
import datetime
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from towerflow.errors import InputError
from towerflow.ingest import read_delimited
from towerflow.ingest.files import RawFile, split_files
from towerflow.ingest.layout import Layout
from towerflow.ingest.read import column_names, fit_columns, read_tables
from towerflow.ingest.values import UNREADABLE

COLUMNS = ("item_id", "title")
OURS = Layout()
PACKERS = {".gz": gzip.compress, ".zst": zstandard.compress}
ROWS = [("1", "Apple, green"), ("2", 'The "Bread"'), ("3", "Käse 奶酪")]


def rows(
    path: Path, format_: str, columns: tuple[str, ...] = COLUMNS, layout: Layout = OURS
) -> list[dict[str, Any]]:
    """All rows, as dicts."""
    compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix, "")
    file = RawFile(str(path), format_, compression, layout)
    if format_ == "parquet":
        with contextlib.suppress(pa.ArrowInvalid):  # no Parquet at all
            [file] = split_files([file])
    return [row for table in read_tables(file, columns) for row in table.to_pylist()]


def write(path: Path, format_: str) -> Path:
    """ROWS in a format."""
    if format_ == "parquet":
        table = {"item_id": [int(key) for key, _ in ROWS], "title": [text for _, text in ROWS]}
        sink = io.BytesIO()
        pq.write_table(pa.table({**table, "more": [0.5] * 3}), sink)
        path.write_bytes(PACKERS.get(path.suffix, bytes)(sink.getvalue()))
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
    path.write_bytes(PACKERS.get(path.suffix, bytes)(content))
    return path


@pytest.mark.parametrize(
    ("name", "format_"),
    [("x.csv", "csv"), ("x.csv.gz", "csv"), ("x.tsv", "delimited"), ("x.jsonl", "jsonl"),
     ("x.jsonl.gz", "jsonl"), ("x.jsonl.zst", "jsonl"), ("x.parquet", "parquet"),
     ("x.parquet.gz", "parquet"), ("x.parquet.zst", "parquet")],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, format_: str) -> None:
    path = write(tmp_path / name, format_)
    assert rows(path, format_) == [
        {"item_id": key, "title": text, "problem": None, "raw": None, "file": str(path), "row": row}
        for row, (key, text) in enumerate(ROWS, start=1)
    ]


def test_rows_are_numbered_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_delimited, "ROWS_AT_ONCE", 2)
    file = RawFile(str(write(tmp_path / "x.csv", "csv")), "csv", "", Layout())
    tables = list(read_tables(file, COLUMNS))
    assert [table["row"].to_pylist() for table in tables] == [[1, 2], [3]]


def test_a_piece_of_a_parquet_file_has_its_own_rows_and_name(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"item_id": list("abcde")}), path, row_group_size=2)
    piece = RawFile(str(path), "parquet", "", OURS, row_groups=(1, 3))
    [table] = read_tables(piece, ("item_id",))
    assert table["item_id"].to_pylist() == ["c", "d", "e"]
    assert table["row"].to_pylist() == [1, 2, 3]
    assert table["file"].to_pylist() == [f"{path}#1"] * 3


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
    assert [row["raw"] for row in found][1:3] == ["[1]", "nonsense"]
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
    lines = b"item_id,title\n" + b"".join(b"%d,Apple\n" % n for n in range(500_000))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(lines)[:-9])
    found = rows(tmp_path / "x.csv.gz", "csv")
    assert found[0]["title"] == "Apple"
    assert found[-1]["problem"].startswith(UNREADABLE)
    assert len(found) > 100_000
    assert [row["row"] for row in found] == list(range(1, len(found) + 1))


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


@given(st.binary(max_size=200), st.sampled_from(["csv", "delimited", "jsonl", "python", "parquet"]))
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


def test_several_fields_are_joined_and_objects_are_entered(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(
        '{"asin": "a", "title": "Pen", "feature": ["fine", null], '
        '"details": {"Brand": "Foliant"}}\n'
        '{"asin": "b", "details": "none"}\n'
    )
    layout = Layout(
        {"item_id": ("asin",), "text": ("title", "feature"), "brand": ("details.Brand",)}
    )
    found = rows(path, "jsonl", ("item_id", "text", "brand"), layout)
    assert [(row["item_id"], row["text"], row["brand"]) for row in found] == [
        ("a", "Pen fine", "Foliant"),
        ("b", "", None),
    ]


def test_a_struct_of_parquet_is_entered_like_an_object_of_json(tmp_path: Path) -> None:
    details = [{"Brand": "Foliant", "Size": {"cm": 3}}, {"Brand": None, "Size": None}, None]
    table = pa.table({"item_id": ["a", "b", "c"], "details": details})
    pq.write_table(table, tmp_path / "x")
    layout = Layout({"brand": ("details.Brand",), "size": ("details.Size.cm", "details.none")})
    found = rows(tmp_path / "x", "parquet", ("brand", "size"), layout)
    assert [(row["brand"], row["size"]) for row in found] == [("Foliant", "3"), *[(None, None)] * 2]


def test_a_dot_in_the_name_of_a_csv_column_is_a_dot(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item.id,item\na,b\n")
    file = RawFile(str(tmp_path / "x.csv"), "csv", "", Layout({"item_id": ("item.id",)}))
    [table] = read_tables(fit_columns(file, ("item_id",), ()), ("item_id",))
    assert table["item_id"].to_pylist() == ["a"]
    absent = RawFile(file.path, "csv", "", Layout({"item_id": ("item.key",)}))
    with pytest.raises(InputError, match=r"a column item\.key, found columns item\.id, item"):
        fit_columns(absent, ("item_id",), ())


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_mapped_columns_are_the_same_from_every_format(tmp_path: Path, format_: str) -> None:
    layout = Layout({"item_id": ("item_id",), "both": ("title", "item_id"), "title": ("none",)})
    path = write(tmp_path / "x", format_)
    found = rows(path, format_, ("item_id", "both", "title"), layout)
    assert [row["both"] for row in found] == [f"{text} {key}" for key, text in ROWS]
    assert [row["title"] for row in found] == [None] * 3


def test_a_file_without_a_mapped_name_is_read_by_ours(tmp_path: Path) -> None:
    layout = Layout({"item_id": ("sku",), "title": ("name",)})
    path = write(tmp_path / "x", "jsonl")
    fitted = fit_columns(RawFile(str(path), "jsonl", "", layout), ("item_id",), ("title",))
    assert fitted.layout.sources("item_id") == ("item_id",)
    assert fitted.layout.sources("title") == ("title",)
    assert set(fitted.header) == {"item_id", "title"}
    path.write_text('{"sku": 1, "item_id": 2, "title": "x"}\n')
    fitted = fit_columns(RawFile(str(path), "jsonl", "", layout), ("item_id",), ("title",))
    assert fitted.layout.sources("item_id") == ("sku",)


def test_column_names_are_those_of_the_file(tmp_path: Path) -> None:
    for format_ in ("csv", "jsonl", "parquet"):
        path = write(tmp_path / f"x.{format_}", format_)
        names = column_names(RawFile(str(path), format_, "", Layout()))
        assert set(names) - {"more"} == {"item_id", "title"}
