"""Pure text functions: dirty catalogue text in, one clean line out. Each is idempotent."""

import html
import re
import unicodedata

_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.DOTALL)
_PLACEHOLDERS = frozenset({"", "nan", "none", "null", "n/a", "na", "-", "unknown", "[]", "{}"})


def clean_text(text: str) -> str:
    r"""Entities decoded, tags and control characters dropped, Unicode NFKC, single spaces.

    >>> clean_text("Scissors&nbsp;&amp; <b>Paper</b>\n 8½ inch")
    'Scissors & Paper 81⁄2 inch'

    Placeholders mean that there is no text:

    >>> clean_text(" N/A ")
    ''
    """
    previous = None
    # Dumps escape twice ("&amp;lt;b&amp;gt;"), so decode until nothing changes.
    while text != previous:
        previous = text
        text = unicodedata.normalize("NFKC", html.unescape(text))
        text = _TAG.sub(" ", text)
        text = "".join(_printable(character) for character in text)
        text = " ".join(text.split())
    return "" if text.lower() in _PLACEHOLDERS else text


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "  # line breaks and tabs part words
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character
