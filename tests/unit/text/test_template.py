"""The template names what is there and leaves out what is not."""

import pyarrow as pa
import pytest

from towerflow.errors import InputError
from towerflow.text.template import TEMPLATES, fill_template, parse_template

FIELDS = ("title", "brand", "categories", "description", "colour")


def fill(template: str, fields: dict[str, str]) -> str:
    """The text of one item."""
    columns = {name: pa.array([fields.get(name, "")]) for name in FIELDS}
    [text] = fill_template(parse_template(template), columns).to_pylist()
    return text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"title": "", "brand": ""}, ""),
        ({"title": "Pen"}, "Title: Pen"),
        ({"brand": "Foliant"}, "Brand: Foliant"),
        ({"brand": "Foliant", "title": "Pen"}, "Title: Pen Brand: Foliant"),
        (
            {"description": "Writes.", "categories": "Office", "brand": "Foliant", "title": "Pen"},
            "Title: Pen Brand: Foliant Category: Office Description: Writes.",
        ),
        ({"title": "Pen", "colour": "black"}, "Title: Pen"),
    ],
)
def test_the_labels_of_learn_stand_before_what_is_there(fields: dict[str, str], text: str) -> None:
    assert fill("learn", fields) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "钢笔", "categories": "办公用品"}, "钢笔 | 办公用品"),
        ({"categories": "办公用品"}, "办公用品"),
        ({"title": "Pen", "description": "Writes."}, "Pen | Writes."),
    ],
)
def test_the_plain_template_has_no_word_of_its_own(fields: dict[str, str], text: str) -> None:
    assert fill("plain", fields) == text


def test_a_template_of_ones_own() -> None:
    template = "[ITEM] {title}, colour {colour}"
    assert fill(template, {"title": "Pen", "colour": "black"}) == "[ITEM] Pen, colour black"
    assert fill(template, {"colour": "black"}) == "colour black"


def test_items_are_filled_each_by_itself() -> None:
    columns = {"title": pa.array(["Pen", "", "Ink"]), "brand": pa.array(["", "Foliant", "Blau"])}
    found = fill_template(parse_template("{title} / {brand}"), columns).to_pylist()
    assert found == ["Pen", "Foliant", "Ink / Blau"]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("plian", "'plian'"),
        ("", "found none"),
        ("{title} and more", "' and more'"),
        ("{title", "expected '}'"),
        ("{title!r}", "'title'"),
        ("{title:>10}", "'title'"),
        ("{0}", "'0'"),
        ("{item.title}", "'item.title'"),
    ],
)
def test_a_template_that_is_none_is_refused(template: str, found: str) -> None:
    with pytest.raises(InputError, match="item_template") as caught:
        parse_template(template)
    assert found in str(caught.value)


@pytest.mark.parametrize("name", TEMPLATES)
def test_named_templates_can_be_parsed(name: str) -> None:
    assert parse_template(name)[0].field == "title"
