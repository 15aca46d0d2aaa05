"""Finding files: what can be read, and one sentence for what can't."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from towerflow.errors import InputError
from towerflow.ingest import files
from towerflow.ingest.files import RawFile, split_files
from towerflow.ingest.layout import Layout
from towerflow.ingest.read import fit_columns

CSV = b"item_id,title\na,Apple\n"
JSON = b'{"item_id": "a", "title": "Apple"}\n'


def find_files(source: str) -> list[RawFile]:
    """Files with our own column names."""
    return files.find_files(source, [Layout()])


def packed(content: bytes) -> bytes:
    """By gzip, without the time: parameters have to be the same in each of pytest's processes."""
    return gzip.compress(content, mtime=0)


def parquet(path: Path) -> None:
    """One item."""
    pq.write_table(pa.table({"item_id": ["a"], "title": ["Apple"]}), path)


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("x.csv", CSV, "csv"),
        ("x.CSV", CSV, "csv"),
        ("x.csv.gz", packed(CSV), "csv"),
        ("x.csv.zst", zstandard.compress(CSV), "csv"),
        ("x.tsv", CSV.replace(b",", b"\t"), "delimited"),
        ("x.jsonl", JSON, "jsonl"),
        ("x.ndjson", JSON, "jsonl"),
        ("x.json.gz", packed(JSON), "jsonl"),
    ],
)
def test_text_files_are_known_by_their_ending(
    tmp_path: Path, name: str, content: bytes, format_: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (file,) = find_files(str(tmp_path / name))
    assert file.format == format_
    fit_columns(file, ("item_id",), ("title",))


def test_a_folder_gives_its_files_by_name_without_hidden_ones(tmp_path: Path) -> None:
    parquet(tmp_path / "b.parquet")
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / ".hidden.txt").write_bytes(b"x")
    found = find_files(str(tmp_path))
    assert [(Path(file.path).name, file.format) for file in found] == [
        ("a.csv", "csv"),
        ("b.parquet", "parquet"),
    ]
    for file in found:
        fit_columns(file, ("item_id",), ("title",))


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("x.txt", CSV, ["a file ending in .parquet", "'x.txt'"]),
        ("x.csv", b"", ["expected rows", "an empty file"]),
        ("x.parquet", CSV, ["parquet as its ending says", "b'item'"]),
        ("x.csv", b"PAR1....", ["csv as its ending says", "b'PAR1'"]),
        ("x.csv.gz", CSV, ["gzip as its ending says", "b'item'"]),
        ("x.csv", packed(CSV), ["expected text", r"b'\x1f\x8b"]),
        ("x.csv.zst", packed(CSV), ["zstd as its ending says", r"b'\x1f\x8b"]),
        ("x.csv", CSV.decode().encode("utf-16"), ["UTF-8", "UTF-16"]),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(
    tmp_path: Path, name: str, content: bytes, parts: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        find_files(str(path))
    assert [part for part in [str(path), *parts] if part not in str(caught.value)] == []


def test_nothing_there_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        find_files(str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match=r"a file, a folder or a glob, found nothing there"):
        find_files(str(tmp_path))
    with pytest.raises(InputError, match="nothing there"):
        find_files(str(tmp_path / "*.csv"))


def test_a_glob_gives_what_it_matches(tmp_path: Path) -> None:
    for name in ("a1.csv", "a2.csv", "b.csv", ".a3.csv", "sub/a4.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(CSV)
    found = [Path(file.path).name for file in find_files(str(tmp_path / "a*.csv"))]
    assert found == ["a1.csv", "a2.csv"]
    assert len(find_files(str(tmp_path / "**" / "*.csv"))) == 4


def test_of_a_folder_only_what_the_layout_names_is_read(tmp_path: Path) -> None:
    for name in ("meta_x.jsonl", "reviews_x.jsonl", "readme.txt"):
        (tmp_path / name).write_bytes(JSON)
    [file] = files.find_files(str(tmp_path), [Layout(files=("meta_*",))])
    assert Path(file.path).name == "meta_x.jsonl"
    with pytest.raises(InputError, match=r"expected files called ratings\*, found meta_x"):
        files.find_files(str(tmp_path), [Layout(files=("ratings*",))])


def test_a_file_that_the_user_names_needs_no_name_of_the_layout(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(JSON)
    [file] = files.find_files(str(tmp_path / "mine.jsonl"), [Layout(files=("meta_*",))])
    assert file.format == "jsonl"


@pytest.fixture
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", 30)


@pytest.mark.usefixtures("_small_pieces")
def test_large_parquet_files_are_cut_between_row_groups(tmp_path: Path) -> None:
    table = pa.table({"item_id": [str(n) for n in range(10)], "title": ["x"] * 10})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=4)
    pieces = split_files(find_files(str(tmp_path / "x.parquet")))
    assert [piece.row_groups for piece in pieces] == [(0, 1), (1, 2), (2, 3)]
    assert len({piece.name for piece in pieces}) == 3


@pytest.mark.usefixtures("_small_pieces")
def test_large_files_of_lines_are_cut_anywhere_and_others_not(tmp_path: Path) -> None:
    lines = b"".join(b'{"item_id": "%d", "title": "x"}\n' % n for n in range(3))
    (tmp_path / "x.jsonl").write_bytes(lines)
    pieces = split_files(find_files(str(tmp_path / "x.jsonl")))
    assert [piece.lines_from for piece in pieces] == [(0, 30), (30, 60), (60, 90), (90, 120)]
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(lines * 9))
    (tmp_path / "x.csv").write_bytes(CSV * 9)
    for name in ("x.jsonl.gz", "x.csv"):
        [whole] = split_files(find_files(str(tmp_path / name)))
        assert (whole.lines_from, whole.name) == (None, whole.path)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("x.csv", b"id,title\n", ["x.csv: item_id", "columns id, title"]),
        ("x.csv", b"item_id,name\n", ["at least one of the columns title", "item_id, name"]),
        ("x.csv", b'"item_id,title\n', ["x.csv: item_id", "no columns", "--column item_id=…"]),
        ("x.jsonl", b'{"id": 1, "title": "x"}\n', ["x.jsonl: item_id", "columns id, title"]),
        ("x.json", b'[\n{"item_id": 1}]\n', ["one JSON object a line", "'['"]),
        ("x.jsonl", b"item_id,title\na,Apple\n", ["one JSON object a line", "'item_id,title'"]),
        ("x.parquet", b"PAR1 and no more", ["readable parquet"]),
        ("x.csv.gz", packed(CSV)[:12], ["readable csv"]),
        ("x.parquet.gz", packed(CSV), ["readable parquet"]),
    ],
)
def test_a_header_without_what_is_needed_is_refused(
    tmp_path: Path, name: str, content: bytes, parts: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        fit_columns(find_files(str(path))[0], ("item_id",), ("title",))
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_json_row_may_lack_what_another_has(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'not json\n{"title": "x"}\n{"item_id": 1}\n')
    fit_columns(find_files(str(path))[0], ("item_id",), ("title",))
