"""Vectors for other services: what they read is what was written, to the bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from towerflow.errors import InputError
from towerflow.retrieval import exports
from towerflow.retrieval.exports import ExportFormat, parse_formats, write_export, write_vertex
from towerflow.retrieval.rows_file import Floats

AWKWARD = ['a"b', "line\nbreak", "ü 😀 \u2028", "back\\slash", "", "{}", "\x00\x7f"]
tables = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.integers(1, 4)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Of all files, in order of their names."""
    return [
        json.loads(line)
        for path in sorted(folder.iterdir())
        for line in path.read_text("utf-8").split("\n")[:-1]
    ]


@given(vectors=tables, at_once=st.integers(1, 8))
def test_parquet_holds_the_very_vectors(
    vectors: Floats, at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "ITEMS_AT_ONCE", at_once)
        write_export(ExportFormat.PARQUET, folder, AWKWARD[: len(vectors)], vectors, {})
    table = pq.read_table(folder / "exports" / "item_vectors.parquet")
    assert table["item_id"].to_pylist() == AWKWARD[: len(vectors)]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), vectors.shape[1])
    found = table["vector"].combine_chunks().flatten().to_numpy().reshape(vectors.shape)
    assert found.tobytes() == vectors.tobytes()


@given(vectors=tables, at_once=st.integers(1, 8))
def test_vertex_reads_numbers_that_are_the_same_float32(
    vectors: Floats, at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "ITEMS_AT_ONCE", at_once)
        write_export(ExportFormat.VERTEX, folder, AWKWARD[: len(vectors)], vectors, {})
    found = lines(folder / "exports" / "vertex")
    assert [line["id"] for line in found] == AWKWARD[: len(vectors)]
    assert all(set(line) == {"id", "embedding"} for line in found), "nothing to filter by"
    numbers = np.array([line["embedding"] for line in found], dtype=np.float32)
    assert numbers.shape == vectors.shape
    assert np.array_equal(numbers, vectors)


def test_a_line_by_eye(tmp_path: Path) -> None:
    vectors = np.array([[0.1, -2.5], [1e-30, 3e38]], dtype=np.float32)
    columns = {"brand": ["Ä\"x'", None], "price": ["low", None], "none": [None, None]}
    write_vertex(tmp_path / "vertex", ["a", "b"], vectors, columns)
    text = (tmp_path / "vertex" / "items-00000.json").read_text("utf-8")
    first, second = text.splitlines()
    assert first == (
        '{"id":"a","embedding":[0.1,-2.5],"restricts":'
        '[{"namespace": "brand", "allow": ["\\u00c4\\"x\'"]},'
        ' {"namespace": "price", "allow": ["low"]}]}'
    )
    assert json.loads(second) == {"id": "b", "embedding": [1e-30, 3e38]}


def test_items_are_filtered_by_columns_where_they_have_a_value(tmp_path: Path) -> None:
    brands = [None, "x", "y", None, "x"]
    sizes = ["s", None, "m", None, "l"]
    columns = {"brand": brands, "size": sizes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "ITEMS_AT_ONCE", 2)
        write_vertex(tmp_path / "v", list("abcde"), np.ones((5, 1), np.float32), columns)
    restricts = [
        {one["namespace"]: one["allow"] for one in line.get("restricts", [])}
        for line in lines(tmp_path / "v")
    ]
    assert restricts == [
        {name: [value] for name, value in (("brand", brand), ("size", size)) if value}
        for brand, size in zip(brands, sizes, strict=True)
    ]


@pytest.mark.parametrize(
    ("items", "numbers", "sizes"),
    [
        (3, 10**9, [3, 3, 1]),
        (7, 10**9, [7]),
        (100, 4 * 5, [5, 2]),  # of 4 dimensions, 20 numbers at once
        (2, 4 * 5, [2, 2, 2, 1]),
        (100, 1, [1] * 7),
    ],
)
def test_a_file_holds_so_many_items_and_numbers(
    items: int, numbers: int, sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ITEMS_AT_ONCE", items)
    monkeypatch.setattr(exports, "NUMBERS_AT_ONCE", numbers)
    write_vertex(tmp_path / "v", list("abcdefg"), np.ones((7, 4), np.float32), {})
    files = sorted((tmp_path / "v").iterdir())
    assert [path.name for path in files] == [f"items-{n:05}.json" for n in range(len(sizes))]
    assert [len(path.read_text().splitlines()) for path in files] == sizes
    assert [line["id"] for line in lines(tmp_path / "v")] == list("abcdefg")


def test_formats_are_taken_by_name() -> None:
    assert parse_formats([]) == []
    assert parse_formats(["vertex", "parquet"]) == [ExportFormat.VERTEX, ExportFormat.PARQUET]
    with pytest.raises(InputError, match="export_formats: expected parquet or vertex, found csv"):
        parse_formats(["parquet", "csv"])
