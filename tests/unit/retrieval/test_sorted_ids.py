"""Ids in the order of their bytes are found as a list would find them."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.errors import InputError
from towerflow.retrieval.sorted_ids import SortedIds, read_table

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


def column(ids: list[str | None], chunks: int = 1) -> pa.ChunkedArray:
    cuts = [len(ids) * part // chunks for part in range(chunks + 1)]
    return pa.chunked_array(
        [pa.array(ids[start:end], pa.string()) for start, end in itertools.pairwise(cuts)],
        pa.string(),
    )


@given(st.sets(texts, max_size=20), st.lists(texts, max_size=10), st.integers(1, 3))
def test_it_is_a_sequence_in_which_each_is_found(
    known: set[str], asked: list[str], chunks: int
) -> None:
    """ASCII, accents and emoji are ordered by UTF-8, which is the order of Python's strings."""
    expected = sorted(known)
    ids = SortedIds("here", column([*expected], chunks))
    assert list(ids) == expected == ids[:]
    assert len(ids) == len(expected)
    wanted = [*expected, *asked]
    places = [expected.index(one) if one in known else -1 for one in wanted]
    assert [ids.find(one) for one in wanted] == places
    positions = ids.positions(wanted)
    assert positions.tolist() == places
    assert positions.dtype == np.int64


def test_places_and_slices_are_those_of_a_list() -> None:
    ids = SortedIds("here", column(["Z", "a", "b", "ä", "😀"]))
    assert (ids[0], ids[-1], ids[np.int64(3)]) == ("Z", "😀", "ä")
    assert ids[1:3] == ["a", "b"]
    with pytest.raises(IndexError):
        ids[5]
    assert ids.positions(iter(["ä", "c", "Z"])).tolist() == [3, -1, 0]


@pytest.mark.parametrize(
    "ids", [["b", "a"], ["a", "a"], ["a", None], [None, "a"], [None], ["ä", "z"], ["a", "B"]]
)
@pytest.mark.parametrize("chunks", [1, 2])
def test_ids_out_of_order_twice_or_without_a_value_are_refused(
    ids: list[str | None], chunks: int
) -> None:
    with pytest.raises(InputError, match="items: expected ids in order, each once"):
        SortedIds("items", column(ids, chunks))


def test_some_columns_of_a_file_are_read_or_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), path)
    assert read_table(path, ["b"]).to_pydict() == {"b": [2]}
    with pytest.raises(InputError, match=r"a\.parquet: expected columns b, c, found"):
        read_table(path, ["b", "c"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"a\.parquet: expected columns b, found"):
        read_table(path, ["b"])
    with pytest.raises(InputError, match=r"none\.parquet: expected columns b"):
        read_table(tmp_path / "none.parquet", ["b"])
