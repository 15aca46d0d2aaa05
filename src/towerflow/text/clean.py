r"""Pure text functions on Arrow arrays: dirty catalogue text in, clean text out.

| before | after |
|---|---|
| `Scissors&nbsp;&amp; <b>Paper</b>` | `Scissors & Paper` |
| `&amp;lt;br&amp;gt;escaped twice` | `escaped twice` |
| `full：ｗｉｄｔｈ　中文` | `full:width 中文` |
| `tab\tand\x00NUL \u200eand marks` | `tab and NUL and marks` |
| `more at https://example.com/a?b=1.` | `more at .` |
| `N/A` | (empty: a placeholder says nothing) |

Each function is idempotent and knows no language: it looks at Unicode classes, never at words.
Arrays keep their length; null becomes the empty string.
"""

import html
import unicodedata
from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_CHARACTERS: Final = 10_000  # of a field; 500 tokens, all that LEARN reads, are some 2,000
MIN_SENTENCE: Final = 8  # characters; shorter repeats are initials or part of a list

_PLACEHOLDERS: Final = pa.array(
    ["nan", "none", "null", "n/a", "na", "-", "unknown", "undefined", "[]", "{}", "无", "未知"]
)
_SUSPECT: Final = r"(?i)[^ -~]|[&<]|  |^ | $|https?:|www\."  # without any of it, text is clean
_TAG: Final = r"(?s)<!--.*?-->|</?[a-zA-Z][^<>]*>"
# The last character is none that ends a sentence; NFKC has run, so wide letters are no part of it.
_URL: Final = r"(?i)\b(?:https?://|www\.)[-\w.~:/?#\[\]@!$&'()*+,;=%]*[-\w~/#&=%]"
# Joiners (U+200C, U+200D) are Cf too, but Persian and Hindi are misspelt without them.
_INVISIBLE: Final = (
    r"[\x{ad}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}"
    r"\x{feff}\x{fff9}-\x{fffb}\x{e0001}-\x{e007f}\p{Co}]"
)
_SPACE: Final = r"[\s\p{Z}\p{Cc}]+"
_JOINERS_AND_SPACE: Final = " \u200c\u200d"
_SENTENCE_END: Final = r"([.!?…]+\s+|[。！？]+\s*)"
_MARK: Final = "\x00"  # no clean text has it


def clean_text(values: pa.Array) -> pa.Array:
    r"""Entities decoded, tags, URLs and invisible characters dropped, NFKC, single spaces.

    >>> clean_text(pa.array(["Paper&nbsp;&amp; <b>glue</b>\n 8½ inch", " N/A ", None])).to_pylist()
    ['Paper & glue 81⁄2 inch', '', '']
    """
    cleaned = pc.fill_null(pc.utf8_slice_codeunits(values, 0, 10 * MAX_CHARACTERS), "")
    dirty = pc.match_substring_regex(cleaned, _SUSPECT)
    # Dumps escape twice ("&amp;lt;b&amp;gt;"), so rows that can hide more are cleaned again.
    while pc.any(dirty).as_py():
        before = cleaned.filter(dirty)
        after = _clean_once(before)
        again = pc.and_(pc.not_equal(before, after), pc.match_substring_regex(after, "[&<]"))
        cleaned = pc.replace_with_mask(cleaned, dirty, after)
        dirty = pc.replace_with_mask(dirty, dirty, again)
    cleaned = pc.utf8_rtrim(
        pc.utf8_slice_codeunits(cleaned, 0, MAX_CHARACTERS), characters=_JOINERS_AND_SPACE
    )
    nothing = pc.is_in(pc.utf8_lower(cleaned), value_set=_PLACEHOLDERS)
    return pc.if_else(nothing, "", cleaned)


def drop_repeated_sentences(values: pa.Array) -> pa.Array:
    """Of sentences that stand in a text more than once, keep the first.

    >>> texts = ["Made to last. Red. Made to last. Blue.", "经久耐用的产品。红色。经久耐用的产品。"]
    >>> drop_repeated_sentences(pa.array(texts)).to_pylist()
    ['Made to last. Red. Blue.', '经久耐用的产品。红色。']
    """
    marked = pc.replace_substring_regex(values, _SENTENCE_END, r"\1" + _MARK)
    pieces = pc.split_pattern(marked, _MARK)
    texts = pc.utf8_trim_whitespace(pieces.flatten())
    if not len(texts):
        return values
    rows = pc.list_parent_indices(pieces).to_numpy()
    codes = texts.dictionary_encode().indices.to_numpy()
    keys = rows * (int(codes.max()) + 1) + codes
    first = np.zeros(len(keys), dtype=bool)
    first[np.unique(keys, return_index=True)[1]] = True
    short = pc.less(pc.utf8_length(texts), MIN_SENTENCE).to_numpy(zero_copy_only=False)
    keep = first | short
    touched = np.unique(rows[~keep])
    if not len(touched):
        return values
    mask = np.zeros(len(values), dtype=bool)
    mask[touched] = True
    kept = pieces.flatten().filter(pa.array(keep))
    kept_rows = rows[keep]
    offsets = np.searchsorted(kept_rows, np.arange(len(values) + 1)).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), kept), "")
    trimmed = pc.utf8_trim_whitespace(joined)
    return pc.if_else(pa.array(mask), trimmed, values)


def _clean_once(values: pa.Array) -> pa.Array:
    values = _where(values, pc.match_substring_regex(values, "&|[^\\x00-\\x7f]"), _decode)
    values = _where(values, pc.match_substring(values, "<"), _drop_tags)
    values = _where(values, pc.match_substring_regex(values, r"(?i)https?:|www\."), _drop_urls)
    spaced = _where(values, pc.match_substring_regex(values, r"[^!-~ ]|  "), _space_out)
    return pc.utf8_trim(spaced, characters=_JOINERS_AND_SPACE)


def _decode(values: pa.Array) -> pa.Array:
    decoded = pa.array(map(_decode_text, values.to_pylist()), pa.string())
    # What stands beside each other once an invisible character is gone may compose.
    return _where(decoded, pc.match_substring_regex(decoded, _INVISIBLE), _drop_invisible)


def _decode_text(text: str) -> str:
    # Arrow has NFKC too, but its kernel (25.0) leaves out the composition: "é" stays two.
    return unicodedata.normalize("NFKC", html.unescape(text))


def _drop_invisible(values: pa.Array) -> pa.Array:
    visible = pc.replace_substring_regex(values, _INVISIBLE, "").to_pylist()
    return pa.array([unicodedata.normalize("NFKC", text) for text in visible], pa.string())


def _drop_tags(values: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(values, _TAG, " ")


def _drop_urls(values: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(values, _URL, " ")


def _space_out(values: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(values, _SPACE, " ")


def _where(values: pa.Array, mask: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """`values`, with those under `mask` changed: most rows need most steps not."""
    return pc.replace_with_mask(values, mask, change(values.filter(mask)))
