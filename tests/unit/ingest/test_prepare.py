"""Between sources and artifacts: public dumps as a whole, shards by size, slips of the pen."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PREPROCESS
from tests.unit.ingest.test_presets import (
    AMAZON_2014_META,
    AMAZON_2014_REVIEW,
    AMAZON_2018_META,
    AMAZON_2018_REVIEW,
    AMAZON_2023_META,
    AMAZON_2023_REVIEW,
    U_ITEM,
)
from towerflow.errors import InputError
from towerflow.ingest.prepare import (
    MAX_SHARDS,
    SHARD_BYTES,
    Found,
    check_mapping,
    count_reasons,
    num_user_shards,
)
from towerflow.interactions.dataset import Dataset
from towerflow.schema import REJECTED_SCHEMA
from towerflow.steps.preprocess import preprocess

ONE_IS_ENOUGH = {"min_user_interactions": 1, "item_template": "learn"}


@pytest.mark.parametrize(
    ("preset", "items", "interactions", "text", "timestamp"),
    [
        (
            "amazon-2014",
            ("meta_Clothing.json", AMAZON_2014_META),
            ("reviews_Clothing_5.json", AMAZON_2014_REVIEW.replace("0000013714", "0000037214")),
            "Title: Purple Girl's Tutu Brand: Big Dreams Category: Clothing Girls Novelty",
            1252800000,
        ),
        (
            "amazon-2018",
            ("meta_Office.json", AMAZON_2018_META),
            ("Office_5.json", AMAZON_2018_REVIEW),
            "Title: Pen Brand: Foliant Category: Office Pens "
            "Description: Writes well. Blue Refillable",
            1514764800,
        ),
        (
            "amazon-2023",
            ("meta_Office.jsonl", AMAZON_2023_META),
            ("Office.jsonl", AMAZON_2023_REVIEW),
            "Title: Pen Brand: Foliant Category: Office Pens Description: Writes well. Blue",
            1588687728923,
        ),
        (
            "movielens",
            ("u.item", U_ITEM),
            ("u.data", "196\t1\t4\t881250949\n"),
            "Title: Toy Story (1995) Category: Animation Children's Comedy",
            881250949,
        ),
    ],
)
def test_a_public_dump_becomes_a_dataset_without_any_mapping(
    tmp_path: Path,
    preset: str,
    items: tuple[str, str],
    interactions: tuple[str, str],
    text: str,
    timestamp: int,
) -> None:
    for name, content in (items, interactions):
        (tmp_path / name).write_text(content)
    sources = {"items": str(tmp_path / items[0]), "interactions": str(tmp_path / interactions[0])}
    outputs: dict[str, Any] = {
        name: tmp_path / "out" / name for name in ("dataset", "rejected", "counts")
    }
    preprocess(
        **PREPROCESS | ONE_IS_ENOUGH | sources | outputs | {"preset": preset, "min_rating": 4.0}
    )
    data = Dataset.open(outputs["dataset"])
    assert data.texts == [text]
    assert data.timestamp.tolist() == [timestamp]


@given(st.integers(0, 10**12))
def test_shards_are_a_power_of_two_and_none_is_large(raw_bytes: int) -> None:
    shards = num_user_shards(raw_bytes)
    assert shards.bit_count() == 1
    assert 1 <= shards <= MAX_SHARDS
    assert shards == MAX_SHARDS or raw_bytes / shards < 2 * SHARD_BYTES


def test_reasons_are_counted_the_most_frequent_first() -> None:
    reasons = ["b", "a", "b", "c"]
    columns = [["f"] * 4, [1, 2, 3, 4], ["x"] * 4, reasons, ["{}"] * 4]
    rejected = pa.table([pa.array(column) for column in columns], schema=REJECTED_SCHEMA)
    assert list(count_reasons(rejected).items()) == [("b", 2), ("a", 1), ("c", 1)]


def test_a_mapped_name_must_be_somewhere() -> None:
    items = Found("items", [], (), frozenset({"sku", "details"}))
    log = Found("log", [], (), frozenset({"who"}))
    check_mapping(
        {"item_id": ("sku",), "user_id": ("who",), "brand": ("details.Brand",)}, items, log
    )
    with pytest.raises(InputError, match="title=nme: expected a file with a column nme, found"):
        check_mapping({"title": ("nme",)}, items, log)
