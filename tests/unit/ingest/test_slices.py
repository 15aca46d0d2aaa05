"""Columns to slice by: found under the user's names or ours, the same text from every format."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ingest.test_presets import (
    AMAZON_2014_META,
    AMAZON_2018_META,
    AMAZON_2018_REVIEW,
    AMAZON_2023_META,
    U_ITEM,
)
from towerflow.errors import InputError
from towerflow.ingest import read_json
from towerflow.ingest.files import find_files, split_files
from towerflow.ingest.layout import Layout, parse_columns
from towerflow.ingest.presets import find_preset
from towerflow.ingest.read import fit_columns, read_tables
from towerflow.ingest.slices import fit_slices, parse_slice_columns, slice_values
from towerflow.schema import SLICE_LIMIT

ROWS = [
    {"item_id": "a", "country": " DE ", "year": 1999, "price": 4.5, "new": True},
    {"item_id": "b", "country": None, "year": None, "price": 5.0, "new": None},
    {"item_id": "c", "country": "NA", "year": 2001, "price": None, "new": False},
]
TEXTS = {
    "slice:country": ["DE", None, "NA"],
    "slice:year": ["1999", None, "2001"],
    "slice:price": ["4.5", "5", None],
    "slice:new": ["True", None, "False"],
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows in the format of the ending."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if ".jsonl" in path.name:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        lines = [[("" if value is None else str(value)) for value in row.values()] for row in rows]
        comma = "," if ".csv" in path.name else "\t"
        text = "".join(comma.join(line) + "\n" for line in ([*rows[0]], *lines))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def values(
    source: Path, names: list[str], layouts: tuple[Layout, ...] = (Layout(),)
) -> dict[str, list[str | None]]:
    """What is carried of all files of a source."""
    fitted = [fit_columns(file, ("item_id",), ()) for file in find_files(str(source), layouts)]
    files, columns = fit_slices(fitted, names)
    found: dict[str, list[str | None]] = {column: [] for column in columns}
    for file in split_files(files):
        for table in read_tables(file, ("item_id", *columns)):
            for column, array in slice_values(table).items():
                found[column] += array.to_pylist()
    return found


@pytest.mark.parametrize(
    "name", ["x.parquet", "x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz", "x.tsv"]
)
def test_every_format_gives_the_same_texts(tmp_path: Path, name: str) -> None:
    found = values(write(tmp_path / name, ROWS), ["country", "year", "price", "new"])
    if "json" not in name and "parquet" not in name:  # text stays as it is there
        assert found.pop("slice:price") == ["4.5", "5.0", None]
        assert found == {name: texts for name, texts in TEXTS.items() if name != "slice:price"}
    else:
        assert found == TEXTS


def test_numbers_and_booleans_go_the_fast_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_json, "parse_lines", None)  # not called
    found = values(write(tmp_path / "x.jsonl", ROWS), ["country", "year", "price", "new"])
    assert found == TEXTS


def test_a_float32_and_a_category_of_pandas_are_read_as_they_are_written(tmp_path: Path) -> None:
    columns = {
        "item_id": ["a", "b", "c"],
        "stars": pa.array([4.1, 5.0, float("nan")], pa.float32()),
        "country": pa.array(["DE", None, "DE"]).dictionary_encode(),
        "day": pa.array([0, 1, None], pa.date32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert values(tmp_path / "x.parquet", ["stars", "country", "day"]) == {
        "slice:stars": ["4.1", "5", None],
        "slice:country": ["DE", None, "DE"],
        "slice:day": ["1970-01-01", "1970-01-02", None],
    }


def test_a_long_value_is_cut_and_an_empty_one_is_missing(tmp_path: Path) -> None:
    long = "x" * (SLICE_LIMIT - 1) + " yz"
    rows = [{"item_id": "a", "b": text} for text in (long, "  ", [], ["Office", "Pens"], ["ä", 1])]
    assert values(write(tmp_path / "x.jsonl", rows), ["b"]) == {
        "slice:b": ["x" * (SLICE_LIMIT - 1), None, None, "Office Pens", "ä 1"]
    }


@given(st.lists(st.none() | st.text(max_size=SLICE_LIMIT + 5), max_size=5))
def test_values_are_bounded_and_stay_in_their_rows(texts: list[str | None]) -> None:
    table = pa.table({"item_id": texts, "slice:x": pa.array(texts, pa.string())})
    [found] = slice_values(table).values()
    assert len(found) == len(texts)
    for value, text in zip(found.to_pylist(), texts, strict=True):
        assert value is None or (text is not None and 0 < len(value) <= SLICE_LIMIT)
        assert value is None or value in (text or "")


def test_a_file_that_lacks_what_another_has_is_null_there(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", [{"item_id": "a", "country": "DE"}])
    write(tmp_path / "2.parquet", [{"item_id": "b"}])
    write(tmp_path / "3.jsonl", [{"item_id": "c"}])
    write(tmp_path / "4.tsv", [{"item_id": "d", "brand": "Acme"}])
    assert values(tmp_path, ["brand", "country", "nowhere"]) == {
        "slice:brand": [None, None, None, "Acme"],
        "slice:country": ["DE", None, None, None],
    }


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_a_dot_goes_into_an_object(tmp_path: Path, name: str) -> None:
    rows = [{"item_id": "a", "details": {"Brand": "Acme"}}, {"item_id": "b", "details": None}]
    source = write(tmp_path / name, rows)
    assert values(source, ["details.Brand"]) == {"slice:details.Brand": ["Acme", None]}


def test_our_names_mean_what_is_mapped_to_them(tmp_path: Path) -> None:
    rows = [{"item_id": "a", "maker": "Acme", "brand": "no", "categories": "ours"}]
    source = write(tmp_path / "x.csv", rows)
    mapping = parse_columns(["brand=maker", "categories=genres", "label=maker+brand"])
    layouts = find_preset("").with_columns(mapping)
    assert values(source, ["brand", "maker", "categories", "label"], layouts.items) == {
        "slice:brand": ["Acme"],
        "slice:maker": ["Acme"],
        "slice:categories": ["ours"],  # there are no genres in this file
        "slice:label": ["Acme no"],
    }
    # A mapping of a name of their own holds for both sources, one of our item fields does not.
    assert values(source, ["label"], layouts.interactions) == {"slice:label": ["Acme no"]}
    assert values(source, ["brand"], layouts.interactions) == {"slice:brand": ["no"]}


@pytest.mark.parametrize(
    ("preset", "name", "content", "expected"),
    [
        (
            "amazon-2014",
            "meta_Clothing.json",
            AMAZON_2014_META,
            {"categories": "Clothing Girls Novelty", "price": "6.99", "brand": "Big Dreams"},
        ),
        (
            "amazon-2018",
            "meta_Office.json",
            AMAZON_2018_META,
            {"categories": "Office Pens", "category": "Office Pens", "main_cat": "Office"},
        ),
        (
            "amazon-2023",
            "meta_Office.jsonl",
            AMAZON_2023_META,
            {"brand": "Foliant", "store": "Foliant", "average_rating": "4.5"},
        ),
        (
            "movielens",
            "u.item",
            U_ITEM,
            {"categories": "Animation Children's Comedy", "Action": "0", "released": "01-Jan-1995"},
        ),
        ("movielens", "movies.dat", "1::Heat::Crime|Drama\n", {"categories": "Crime|Drama"}),
    ],
)
def test_presets(
    tmp_path: Path, preset: str, name: str, content: str, expected: dict[str, str]
) -> None:
    (tmp_path / name).write_text(content)
    found = values(tmp_path, [*expected, "nowhere"], find_preset(preset).items)
    assert found == {f"slice:{name}": [text] for name, text in expected.items()}


def test_a_preset_knows_the_rating_of_interactions(tmp_path: Path) -> None:
    (tmp_path / "Office_5.json").write_text(AMAZON_2018_REVIEW)
    layouts = find_preset("amazon-2018").interactions
    assert values(tmp_path, ["rating", "verified"], layouts) == {
        "slice:rating": ["4"],
        "slice:verified": ["True"],
    }


def test_names_are_trimmed_and_each_is_one() -> None:
    assert parse_slice_columns([" country", "brand "]) == ("country", "brand")
    with pytest.raises(InputError, match="slice_column: expected the name of a column"):
        parse_slice_columns(["country", " "])
    with pytest.raises(InputError, match="slice_column: brand: expected each name once"):
        parse_slice_columns(["brand", "country", "brand "])
