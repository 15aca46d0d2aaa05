"""Put an item's fields into one text for the LLM."""

import string
from collections.abc import Mapping
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from towerflow.errors import InputError

TEMPLATES: Final = {
    # No word of any language: what a field is shows by its place.
    "plain": "{title} | {brand} | {categories} | {description}",
    # LEARN's Amazon prompt; description is ours, last, so that it is cut first.
    "learn": "Title: {title} Brand: {brand} Category: {categories} Description: {description}",
}

_SEPARATORS: Final = string.whitespace + "|,;·/–—-"


class Segment(NamedTuple):
    """A field and the words before it; both are left out where the field is empty."""

    label: str
    field: str


def parse_template(template: str) -> list[Segment]:
    """Segments of a named template, or of one written out.

    >>> parse_template("Title: {title} Colour: {colour}")
    [Segment(label='Title: ', field='title'), Segment(label=' Colour: ', field='colour')]

    Raises:
        InputError: it has no field, an odd one, or words after the last.
    """
    text = TEMPLATES.get(template, template)
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InputError("item_template", expected="fields in braces", found=str(error)) from error
    segments = []
    for label, field, format_, conversion in parts:
        if field is None or not field.isidentifier() or format_ or conversion:
            names = " or ".join(TEMPLATES)
            raise InputError(
                "item_template",
                expected=f"{names}, or words each followed by a field, as in 'Title: {{title}}'",
                found=f"'{label if field is None else field}'",
            )
        segments.append(Segment(label, field))
    if not segments:
        raise InputError("item_template", expected="at least one field", found="none")
    return segments


def fill_template(segments: list[Segment], fields: Mapping[str, pa.Array]) -> pa.Array:
    """One text an item, of the fields that are not empty; "" where all are.

    Args:
        segments: of `parse_template`.
        fields: `[num_items]` texts without nulls, by field.

    >>> fields = {"title": pa.array(["Stapler", ""]), "brand": pa.array(["", "Acme"])}
    >>> fill_template(parse_template("{title} | {brand}"), fields).to_pylist()
    ['Stapler', 'Acme']
    """
    columns = []
    started = pa.array([False] * len(fields[segments[0].field]), pa.bool_())
    for label, field in segments:
        values = fields[field]
        empty = pc.equal(values, "")
        first = pc.if_else(started, label, _without_separator(label))
        columns.append(pc.if_else(empty, "", pc.binary_join_element_wise(first, values, "")))
        started = pc.or_(started, pc.invert(empty))
    return pc.binary_join_element_wise(*columns, "")


def _without_separator(label: str) -> str:
    """`label` for the segment that comes first: `Brand: ` stays, ` | ` goes."""
    return label.lstrip(_SEPARATORS)
