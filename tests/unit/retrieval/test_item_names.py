"""What a person types is found among ids and titles, or said why not."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from towerflow.errors import InputError
from towerflow.retrieval.item_names import ItemNames

ITEMS = {
    "1": "Toy Story (1995)",
    "2": "Toy Story 2 (1999)",
    "3": "Heat",
    "4": "Heat wave",
    "5": "Groß",
    "6": "3",
    "7": "Twin",
    "8": "Twin",
}


@pytest.fixture
def names(tmp_path: Path) -> ItemNames:
    table = pa.table({"item_id": list(ITEMS), "title": list(ITEMS.values()), "text": [""] * 8})
    pq.write_table(table, tmp_path / "items.parquet")
    return ItemNames.read(tmp_path / "items.parquet")


@pytest.mark.parametrize(
    ("name", "item_id"),
    [
        ("2", "2"),
        ("3", "3"),  # an id comes before a title
        ("Heat", "3"),  # a whole title before the start of another
        ("hEAT", "3"),
        ("heat w", "4"),
        ("toy story (", "1"),
        ("GROSS", "5"),
    ],
)
def test_it_is_found_by_id_then_title_then_the_start_of_one(
    names: ItemNames, name: str, item_id: str
) -> None:
    item = names.find(name)
    assert names.ids[item] == item_id
    assert names.title(item) == ITEMS[item_id]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("toy", r"2: Toy Story \(1995\) \(1\); Toy Story 2 \(1999\) \(2\)"),
        ("twin", r"2: Twin \(7\); Twin \(8\)"),
        ("", r"8: Toy Story \(1995\) \(1\); .*; Groß \(5\)\."),  # five are enough to see
    ],
)
def test_one_that_fits_several_is_told_with_them(names: ItemNames, name: str, found: str) -> None:
    with pytest.raises(InputError, match=f"item '{name}': expected one item, found {found}"):
        names.find(name)


def test_one_that_fits_none_is_told_with_what_is_close(names: ItemNames) -> None:
    with pytest.raises(InputError, match=r"found none like it; did you mean: Heat\?"):
        names.find("Haet")
    with pytest.raises(InputError, match=r"found none like it\.$"):
        names.find("xyz")


def test_ids_out_of_order_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": ["b", "a"], "title": ["", ""]}), tmp_path / "items.parquet")
    with pytest.raises(InputError, match=r"items\.parquet: expected ids in order"):
        ItemNames.read(tmp_path / "items.parquet")
