"""Presets: small made-up files of the exact shape that the publishers use."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from towerflow.errors import InputError
from towerflow.ingest.files import find_files
from towerflow.ingest.layout import Layout, parse_columns
from towerflow.ingest.presets import PRESETS, find_preset
from towerflow.ingest.read import fit_columns, read_tables

ITEM = ("item_id", "title", "brand", "categories", "description")
EVENT = ("user_id", "item_id", "timestamp", "rating")

AMAZON_2014_META = (
    "{'asin': '0000037214', 'related': {'also_viewed': ['B00JO8II76']}, 'title': \"Purple Girl's "
    "Tutu\", 'price': 6.99, 'salesRank': {'Clothing': 1233557}, 'imUrl': 'http://i.com/a.jpg', "
    "'brand': 'Big Dreams', 'categories': [['Clothing', 'Girls'], ['Novelty']]}\n"
)
AMAZON_2014_REVIEW = (
    '{"reviewerID": "A2SUAM1J3GNN3B", "asin": "0000013714", "reviewerName": "J. M", "helpful": '
    '[2, 3], "reviewText": "I bought this.", "overall": 5.0, "summary": "Heavenly", '
    '"unixReviewTime": 1252800000, "reviewTime": "09 13, 2009"}\n'
)
AMAZON_2018_META = (
    '{"category": ["Office", "Pens"], "tech1": "", "description": ["Writes well."], "fit": "", '
    '"title": "Pen", "also_buy": ["B1"], "tech2": "", "brand": "Foliant", "feature": ["Blue", '
    '"Refillable"], "rank": [">#1 in Office"], "also_view": [], "main_cat": "Office", '
    '"similar_item": "", "date": "", "price": "$1.50", "asin": "B0001", "imageURL": []}\n'
)
AMAZON_2018_REVIEW = (
    '{"overall": 4.0, "verified": true, "reviewTime": "01 1, 2018", "reviewerID": "A1", "asin": '
    '"B0001", "style": {"Color:": " Blue"}, "reviewerName": "X", "reviewText": "Good.", '
    '"summary": "Good", "unixReviewTime": 1514764800}\n'
)
AMAZON_2023_META = (
    '{"main_category": "Office", "title": "Pen", "average_rating": 4.5, "rating_number": 12, '
    '"features": ["Blue"], "description": ["Writes well."], "price": 1.5, "images": [{"thumb": '
    '"https://i.com/t.jpg"}], "videos": [], "store": "Foliant", "categories": ["Office", "Pens"], '
    '"details": {"Brand": "Foliant"}, "parent_asin": "B0001", "bought_together": null}\n'
)
AMAZON_2023_REVIEW = (
    '{"rating": 5.0, "title": "Good", "text": "Good.", "images": [], "asin": "B0001X", '
    '"parent_asin": "B0001", "user_id": "AE1", "timestamp": 1588687728923, "helpful_vote": 0, '
    '"verified_purchase": true}\n'
)
U_ITEM = (
    "1|Toy Story (1995)|01-Jan-1995||http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)"
    "|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
)


def rows(
    folder: Path, layouts: tuple[Layout, ...], columns: tuple[str, ...]
) -> list[dict[str, Any]]:
    """All rows of a folder without what is ours."""
    found = []
    for raw in find_files(str(folder), layouts):
        file = fit_columns(raw, columns[:1], columns[1:])
        for table in read_tables(file, columns):
            found += table.drop(["problem", "raw", "file", "row"]).to_pylist()
    return found


@pytest.mark.parametrize(
    ("preset", "name", "content", "expected"),
    [
        (
            "amazon-2014",
            "meta_Clothing.json.gz",
            AMAZON_2014_META,
            ["0000037214", "Purple Girl's Tutu", "Big Dreams", "Clothing Girls Novelty", None],
        ),
        (
            "amazon-2018",
            "meta_Office_Products.json.gz",
            AMAZON_2018_META,
            ["B0001", "Pen", "Foliant", "Office Pens", "Writes well. Blue Refillable"],
        ),
        (
            "amazon-2023",
            "meta_Office_Products.jsonl.gz",
            AMAZON_2023_META,
            ["B0001", "Pen", "Foliant", "Office Pens", "Writes well. Blue"],
        ),
        (
            "movielens",
            "u.item",
            U_ITEM,
            ["1", "Toy Story (1995)", None, "Animation Children's Comedy", None],
        ),
        (
            "movielens",
            "movies.dat",
            "1::Misérables, Les (1995)::Drama|Musical\n",
            ["1", "Misérables, Les (1995)", None, "Drama|Musical", None],
        ),
        (
            "movielens",
            "movies.csv",
            'movieId,title,genres\n11,"American President, The (1995)",Comedy|Drama\n',
            ["11", "American President, The (1995)", None, "Comedy|Drama", None],
        ),
    ],
)
def test_items(tmp_path: Path, preset: str, name: str, content: str, expected: list[Any]) -> None:
    encoding = "latin-1" if name in ("u.item", "movies.dat") else "utf-8"
    packed = content.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(packed) if name.endswith(".gz") else packed)
    (tmp_path / "README.txt").write_text("not data")
    [row] = rows(tmp_path, find_preset(preset).items, ITEM)
    assert [row[name] for name in ITEM] == expected


@pytest.mark.parametrize(
    ("preset", "name", "content", "expected"),
    [
        (
            "amazon-2014",
            "reviews_Clothing_5.json.gz",
            AMAZON_2014_REVIEW,
            ["A2SUAM1J3GNN3B", "0000013714", 1252800000, 5],
        ),
        (
            "amazon-2014",
            "ratings_Clothing.csv",
            "A2S,0000013714,5.0,1252800000\n",
            ["A2S", "0000013714", 1252800000, 5],
        ),
        (
            "amazon-2018",
            "Office_Products_5.json.gz",
            AMAZON_2018_REVIEW,
            ["A1", "B0001", 1514764800, 4],
        ),
        (
            "amazon-2018",
            "Office_Products.csv",
            "B0001,A1,4.0,1514764800\n",
            ["A1", "B0001", 1514764800, 4],
        ),
        (
            "amazon-2023",
            "Office_Products.jsonl.gz",
            AMAZON_2023_REVIEW,
            ["AE1", "B0001", 1588687728923, 5],
        ),
        (
            "amazon-2023",
            "Office_Products.csv",
            "user_id,parent_asin,rating,timestamp\nAE1,B0001,5.0,1588687728923\n",
            ["AE1", "B0001", 1588687728923, 5],
        ),
        ("movielens", "u.data", "196\t242\t3\t881250949\n", ["196", "242", 881250949, 3]),
        ("movielens", "ratings.dat", "1::1193::5::978300760\n", ["1", "1193", 978300760, 5]),
        (
            "movielens",
            "ratings.csv",
            "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n",
            ["1", "296", 1147880044, 5],
        ),
    ],
)
def test_interactions(
    tmp_path: Path, preset: str, name: str, content: str, expected: list[Any]
) -> None:
    packed = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(packed) if name.endswith(".gz") else packed)
    [row] = rows(tmp_path, find_preset(preset).interactions, EVENT)
    found = [row["user_id"], row["item_id"], float(row["timestamp"]), float(row["rating"])]
    assert found == expected


def test_a_movielens_folder_is_both_sources(tmp_path: Path) -> None:
    (tmp_path / "u.item").write_bytes(U_ITEM.encode("latin-1"))
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n")
    (tmp_path / "u.genre").write_text("Action|1\n")
    preset = find_preset("movielens")
    assert len(rows(tmp_path, preset.items, ITEM)) == 1
    assert len(rows(tmp_path, preset.interactions, EVENT)) == 1


def test_the_users_mapping_lies_over_the_presets() -> None:
    preset = find_preset("amazon-2018").with_columns(
        parse_columns(["item_id=sku", "description=title", "user_id=who"])
    )
    assert preset.items[0].sources("item_id") == ("sku",)
    assert preset.items[0].sources("description") == ("title",)
    assert preset.items[0].sources("categories") == ("category",)
    assert preset.interactions[0].sources("item_id") == ("sku",)
    assert preset.interactions[0].sources("user_id") == ("who",)
    assert preset.interactions[0].sources("timestamp") == ("unixReviewTime",)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="amazon-2014 or amazon-2018 or amazon-2023 or movielens"):
        find_preset("amazon-2015")
    assert set(PRESETS) == {"", "amazon-2014", "amazon-2018", "amazon-2023", "movielens"}
