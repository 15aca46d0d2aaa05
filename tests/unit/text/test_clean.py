"""Cleaning: one line, no markup, no control characters, nothing of the meaning lost."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.text import clean
from towerflow.text.clean import MAX_CHARACTERS, drop_repeated_sentences

# Short texts of letters that matter find more than long ones of any.
texts = (
    st.text()
    | st.text(alphabet="htps:/w. &<>é")
    | st.text(alphabet="&<>;#x/abnlt!- \u00a0\u200b0123456789")
)


def clean_text(text: str) -> str:
    """One text, cleaned."""
    [cleaned] = clean.clean_text(pa.array([text], pa.string())).to_pylist()
    return cleaned


def drop_sentences(text: str) -> str:
    """One text without its repeated sentences."""
    [left] = drop_repeated_sentences(pa.array([text], pa.string())).to_pylist()
    return left


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("<p>one</p><br/>two<!-- three -->", "one two"),
        ("3 < 5 and 7 > 2", "3 < 5 and 7 > 2"),
        ("a <3 b", "a <3 b"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "Full width"),
        ("钢笔，黑色　（10支）", "钢笔,黑色 (10支)"),
        ("zero\u200bwidth and \u202ebidi", "zerowidth and bidi"),
        ("tab\tline\nreturn\r", "tab line return"),
        ("nul\x00byte", "nul byte"),
        (" NaN ", ""),
        ("N/A", ""),
        ("None", ""),
        ("[]", ""),
        ("", ""),
        ("Nanny", "Nanny"),
        ("未知", ""),
        ("see https://example.com/a?b=1&c=2.", "see ."),
        ("at WWW.Example.COM/x, now", "at , now"),
        ("见https://例子.cn/页", "见https://例子.cn/页"),  # no URL of RFC 3986: left alone
        ("https://example.com/a。好", "。好"),
        ("http is a protocol", "http is a protocol"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs its joiners
        ("\u200dx\u200c", "x"),
        ("soft\u00adhyphen", "softhyphen"),
        ("e\u200b\u0301", "é"),  # composes once the space of no width is gone
    ],
)
def test_examples(dirty: str, cleaned: str) -> None:
    assert clean_text(dirty) == cleaned


@given(texts)
def test_clean_text_stays_as_it_is(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(texts)
def test_the_result_is_one_line_of_printable_text(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned == " ".join(cleaned.split())
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs", "Co")]
    assert unicodedata.is_normalized("NFKC", cleaned)


@given(st.lists(st.none() | texts, max_size=6))
def test_each_row_is_cleaned_as_if_it_were_alone(rows: list[str | None]) -> None:
    together = clean.clean_text(pa.array(rows, pa.string())).to_pylist()
    assert together == [clean_text(row or "") for row in rows]


def test_a_slice_of_a_column_is_cleaned_as_a_column() -> None:
    column = pa.array(["a&amp;", "b&lt;", "c&gt;", None], pa.string())
    assert clean.clean_text(column.slice(1)).to_pylist() == ["b<", "c>", ""]


def test_over_long_text_is_cut_and_stays_cut() -> None:
    cleaned = clean_text("word " * MAX_CHARACTERS)
    assert len(cleaned) == MAX_CHARACTERS - 1  # the cut falls behind a space
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Made to last. Red. Made to last.", "Made to last. Red."),
        ("Made to last! Made to last. ", "Made to last! Made to last. "),  # not the same
        ("J. R. R. Tolkien", "J. R. R. Tolkien"),  # too short to be sentences
        ("经久耐用的好产品。红色。经久耐用的好产品。蓝色。", "经久耐用的好产品。红色。蓝色。"),
        ("One sentence only", "One sentence only"),
        ("", ""),
    ],
)
def test_repeated_sentences(text: str, left: str) -> None:
    assert drop_sentences(text) == left


sentences = st.lists(
    st.sampled_from(
        ["Made to last. ", "Buy it now! ", "好好好好好好好好。", "No. ", "tail tail tail"]
    )
).map("".join)


@given(sentences)
def test_without_repeated_sentences_it_stays_as_it_is(text: str) -> None:
    once = drop_sentences(text)
    assert drop_sentences(once) == once
    assert not once or once in text or len(once) < len(text)


@given(st.lists(sentences, max_size=5))
def test_sentences_of_other_rows_do_not_matter(rows: list[str]) -> None:
    together = drop_repeated_sentences(pa.array(rows, pa.string())).to_pylist()
    assert together == [drop_sentences(row) for row in rows]
