"""The template names what is there and leaves out what is not."""

import pytest

from towerflow.text.template import fill_template


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"title": "", "brand": ""}, ""),
        ({"title": "Pen"}, "Title: Pen"),
        ({"brand": "Foliant", "title": "Pen"}, "Title: Pen Brand: Foliant"),
        (
            {"description": "Writes.", "categories": "Office", "brand": "Foliant", "title": "Pen"},
            "Title: Pen Brand: Foliant Category: Office Description: Writes.",
        ),
        ({"title": "Pen", "colour": "black"}, "Title: Pen"),
    ],
)
def test_present_fields_in_a_fixed_order(fields: dict[str, str], text: str) -> None:
    assert fill_template(fields) == text
