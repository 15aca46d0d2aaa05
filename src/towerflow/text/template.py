"""Put an item's fields into one line for the LLM."""

from collections.abc import Mapping
from typing import Final

from towerflow.schema import BRAND, CATEGORIES, DESCRIPTION, TITLE

# Order and labels of LEARN's Amazon prompt; description is ours, last, so that it is cut first.
LABELS: Final = {
    TITLE: "Title",
    BRAND: "Brand",
    CATEGORIES: "Category",
    DESCRIPTION: "Description",
}


def fill_template(fields: Mapping[str, str]) -> str:
    """Label the fields that are present; no text at all gives an empty string.

    >>> fill_template({"title": "Stapler", "brand": "", "categories": "Office"})
    'Title: Stapler Category: Office'
    """
    return " ".join(
        f"{label}: {fields[name]}" for name, label in LABELS.items() if fields.get(name)
    )
