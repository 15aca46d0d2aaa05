"""CSV: what a standard parser reads, and no more lost than the line that is wrong."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest.layout import Layout
from towerflow.ingest.read_delimited import BAD_QUOTE, csv_records, delimited_tables, header
from towerflow.ingest.values import Problem

fields = st.text(alphabet='ab,"\n é', max_size=5)
records = st.integers(2, 3).flatmap(
    lambda width: st.lists(st.lists(fields, min_size=width, max_size=width), max_size=5)
)


def written(rows: list[list[str]]) -> str:
    """RFC 4180 text."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(rows)
    return sink.getvalue()


def read(text: str) -> list[list[str] | Problem]:
    """Records of `text`."""
    return list(csv_records(iter(text.split("\n")[:-1])))


@given(records)
def test_what_was_written_is_read(rows: list[list[str]]) -> None:
    assert read(written(rows)) == rows


@pytest.mark.parametrize(
    "line", ['u9,"i9,100', 'u9,i9,"100', '"u9,i9,100', 'u9,"i"9,100', 'u9,"i9" ,1', '"', 'a"b,"c']
)
def test_a_wrong_quote_costs_its_own_line_only(line: str) -> None:
    good = [["u1", "i1", "1"], ["u2", "i,2", "2"], ["u3", 'i"3', "3"], ["u4", "i4", "4"]]
    found = read(written(good[:2]) + line + "\n" + written(good[2:]))
    assert [record for record in found if record in good] == good
    assert len(found) == 5


def test_a_quote_that_closes_at_the_next_quoted_line_break_swallows_nothing() -> None:
    text = 'u,i,t\nu1,"i1,100\nu2,i2,200\nu3,i3,"\n300"\nu4,i4,400\n'
    assert [record for record in read(text) if not isinstance(record, Problem)] == [
        ["u", "i", "t"],
        ["u2", "i2", "200"],
        ["u3", "i3", "\n300"],
        ["u4", "i4", "400"],
    ]


def test_the_line_is_given_up_with_its_reason() -> None:
    assert read('a,"b\nc,d\n') == [Problem(BAD_QUOTE, 'a,"b'), ["c", "d"]]


def test_a_quote_inside_a_field_that_does_not_begin_with_one_is_a_letter() -> None:
    assert read('i1,5" pipe,2\ni2,6" pipe,3\n') == [["i1", '5" pipe', "2"], ["i2", '6" pipe', "3"]]


@given(st.text(alphabet='a,"\n', max_size=40))
def test_any_text_is_read_to_its_end(text: str) -> None:
    good = ["u", "i", "1"]
    assert read(f"{text}\nu,i,1\n")[-1] == good or text.count('"') > 0
    assert read(f"u,i,1\n{text}\n")[0] == good


def test_files_without_a_header_have_that_of_the_layout() -> None:
    layout = Layout({"item_id": ("movie",)}, delimiter="::", header=("user", "movie"))
    [table] = delimited_tables(io.BytesIO(b"u::m\nv\n"), layout, ("item_id",))
    assert table["item_id"].to_pylist() == ["m", None]
    assert table["problem"].to_pylist() == [None, "1 fields where the header has 2"]
    assert header(io.BytesIO(b"u::m\n"), "delimited", layout) == ["user", "movie"]


def test_flags_become_categories() -> None:
    layout = Layout(delimiter="|", header=("item_id", "War", "Comedy"), flags=("War", "Comedy"))
    [table] = delimited_tables(io.BytesIO(b"a|1|1\nb|0|0\n"), layout, ("item_id", "categories"))
    assert table["categories"].to_pylist() == ["War Comedy", ""]
