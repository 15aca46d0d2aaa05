"""Domains side by side: ids apart, everything kept."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import PREPROCESS
from towerflow.errors import InputError
from towerflow.ingest.combine import combine
from towerflow.interactions.dataset import Dataset
from towerflow.steps.preprocess import preprocess


def domain(folder: Path, ending: str, items: str, interactions: str) -> str:
    folder.mkdir()
    (folder / f"items.{ending}").write_text(items)
    (folder / f"interactions.{ending}").write_text(interactions)
    return str(folder)


@pytest.fixture
def books(tmp_path: Path) -> str:
    return domain(
        tmp_path / "books",
        "csv",
        "item_id,title\n1,Dune\n2,Emma\n",
        "user_id,item_id,timestamp\nann,1,10\nann,2,20\n",
    )


@pytest.fixture
def pens(tmp_path: Path) -> str:
    return domain(
        tmp_path / "pens",
        "jsonl",
        '{"item_id": "1", "title": "Pen", "brand": "Bic"}\n{"item_id": "2", "title": "Ink"}\n',
        '{"user_id": "ann", "item_id": "1", "timestamp": 5}\n'
        '{"user_id": "ann", "item_id": "2", "timestamp": 6.5}\n',
    )


def test_equal_ids_of_two_domains_stay_apart(tmp_path: Path, books: str, pens: str) -> None:
    rows = combine({"books": books, "pens": pens}, tmp_path / "both")
    assert rows == {"items": 4, "interactions": 4}
    items = pq.read_table(tmp_path / "both" / "items.parquet").to_pylist()
    assert [(row["item_id"], row["title"], row["brand"]) for row in items] == [
        ("books:1", "Dune", None),
        ("books:2", "Emma", None),
        ("pens:1", "Pen", "Bic"),
        ("pens:2", "Ink", None),
    ]


def test_what_comes_out_is_a_source_for_preprocess(tmp_path: Path, books: str, pens: str) -> None:
    combine({"books": books, "pens": pens}, tmp_path / "both")
    outputs = {name: tmp_path / name for name in ("dataset", "rejected", "counts")}
    sources = {
        name: str(tmp_path / "both" / f"{name}.parquet") for name in ("items", "interactions")
    }
    preprocess(**{**PREPROCESS, **sources, **outputs, "min_user_interactions": 1})
    data = Dataset.open(tmp_path / "dataset")
    assert sorted(data.user_ids) == ["books:ann", "pens:ann"]
    assert sorted(data.timestamp.tolist()) == [5, 6.5, 10, 20]


def test_what_can_not_be_combined_is_told(tmp_path: Path, books: str) -> None:
    with pytest.raises(InputError, match="domain: expected letters"):
        combine({"a:b": books}, tmp_path / "out")
    with pytest.raises(InputError, match="found nothing there"):
        combine({"books": books, "none": str(tmp_path / "none")}, tmp_path / "out")
    with pytest.raises(InputError, match="a folder that does not exist yet"):
        combine({"books": books}, tmp_path / "books")
    bad = domain(tmp_path / "bad", "jsonl", '{"item_id": "1"\n', '{"user_id": "a"}\n')
    with pytest.raises(InputError):
        combine({"bad": bad}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
