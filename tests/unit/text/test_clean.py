"""Cleaning: one line, no markup, no control characters, nothing of the meaning lost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.text.clean import clean_text

texts = st.text() | st.text(alphabet="&<>;#x/abnlt!- \u00a0\u200b0123456789")


@pytest.mark.parametrize(
    ("dirty", "clean"),
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
    ],
)
def test_examples(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


@given(texts)
def test_clean_text_stays_as_it_is(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(texts)
def test_the_result_is_one_line_of_printable_text(text: str) -> None:
    clean = clean_text(text)
    assert clean == " ".join(clean.split())
    assert not [c for c in clean if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")]
