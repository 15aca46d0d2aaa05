"""`preprocess`: counts add up, splits are right, every mistake gets one sentence."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.schema import Split
from towerflow.steps.preprocess import REJECTED_FILE, preprocess
from towerflow.storage.artifact import read_manifest

ITEMS = "item_id,title\na,Apple\nb,Bread\nc,Cheese\nd,Dates\n"
INTERACTIONS = "user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,c,3\nv,b,1\nv,c,2\nv,d,3\n"


def run(tmp_path: Path, items_csv: str, interactions_csv: str, **changes: Any) -> Dataset:
    """Preprocess two CSV texts."""
    (tmp_path / "items.csv").write_text(items_csv, "utf-8")
    (tmp_path / "interactions.csv").write_text(interactions_csv, "utf-8")
    arguments: dict[str, Any] = {
        "items": str(tmp_path / "items.csv"),
        "interactions": str(tmp_path / "interactions.csv"),
        "data_version": "1",
        "num_shards": 1,
        "min_interactions": 3,
        "max_rejected_share": 0.05,
        "unknown_items": "error",
        "dataset": tmp_path / "dataset",
        "rejected": tmp_path / "rejected",
    }
    preprocess(**{**arguments, **changes})
    return Dataset.open(tmp_path / "dataset")


def test_the_shop_is_counted_to_the_last_row(shop_run: Run) -> None:
    assert read_manifest(shop_run.dataset).counts == {
        "items": 50,
        "users": 40,
        "interactions": 279,
        "train": 279 - 40 - 40,
        "validation": 40,
        "test": 40,
        "item_rows_read": 51,
        "interaction_rows_read": 279 + 4,
        "rejected": 3,
        "dropped_repeats": 0,
        "dropped_small_users": 2,
    }


def test_rejected_rows_say_where_and_why(shop_run: Run) -> None:
    rows = pq.read_table(shop_run.rejected / REJECTED_FILE).to_pylist()
    assert [
        (Path(row["file"]).name, row["row"], row["item_id"], row["reason"]) for row in rows
    ] == [
        ("items.jsonl", 51, "X99", "no text"),
        ("interactions.csv", 280, "K01", "unparsable timestamp"),
        ("interactions.csv", 281, "X99", "its item was rejected"),
    ]
    assert json.loads(rows[1]["raw"])["timestamp"] == "yesterday"


def test_text_is_cleaned_and_put_into_the_template(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    # Item 5: brand, no list of categories, a description with an entity and a tag.
    assert data.texts[data.item_ids.index("K05")] == (
        "Title: Paper coffee filters Brand: Copperpot Category: Home Kitchen "
        "Description: Our paper coffee filters & a friendly note. Made to last."
    )


def test_the_last_item_is_for_testing_and_the_one_before_for_validation(tmp_path: Path) -> None:
    data = run(tmp_path, ITEMS, INTERACTIONS)
    a, b, c, d = range(4)
    assert data.lists(Split.TRAIN).items.tolist() == [a, b]
    assert data.lists(Split.VALIDATION).items.tolist() == [b, c]
    assert data.lists(Split.TEST).items.tolist() == [c, d]


def test_row_order_and_number_of_files_change_nothing(tmp_path: Path) -> None:
    once = run(tmp_path, ITEMS, INTERACTIONS).content_hash
    header, *rows = INTERACTIONS.splitlines(keepends=True)
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.csv").write_text(header + "".join(rows[3:]))
    (folder / "2.csv").write_text(header + "".join(reversed(rows[:3])))
    assert run(tmp_path, ITEMS, "", interactions=str(folder)).content_hash == once


def test_repeats_are_dropped_but_the_first(tmp_path: Path) -> None:
    data = run(tmp_path, ITEMS, INTERACTIONS + "u,a,9\n")
    assert data.lists(*Split)[0].tolist() == [0, 1, 2]
    assert read_manifest(tmp_path / "dataset").counts["dropped_repeats"] == 1


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    once = run(tmp_path, ITEMS, INTERACTIONS).content_hash
    events = pa.table(
        {
            "user_id": list("uuuvvv"),
            "item_id": list("abcbcd"),
            "timestamp": pa.array([1, 2, 3, 1, 2, 3], pa.int32()),
            "anything": [0] * 6,
        }
    )
    pq.write_table(events, tmp_path / "events.parquet")
    assert (
        run(tmp_path, ITEMS, "", interactions=str(tmp_path / "events.parquet")).content_hash == once
    )


def test_unknown_items_can_be_set_aside(tmp_path: Path) -> None:
    data = run(
        tmp_path, ITEMS, INTERACTIONS + "u,zzz,4\n", unknown_items="reject", max_rejected_share=0.2
    )
    assert len(data.item_index) == 6
    reasons = pq.read_table(tmp_path / "rejected" / REJECTED_FILE)["reason"].to_pylist()
    assert reasons == ["unknown item"]


@pytest.mark.parametrize(
    ("items", "interactions", "changes", "parts"),
    [
        ("item_id,name\na,Apple\n", INTERACTIONS, {}, ["items.csv", "title", "item_id, name"]),
        ("id,title\na,Apple\n", INTERACTIONS, {}, ["items.csv: item_id", "id, title"]),
        (ITEMS, "user_id,item_id\nu,a\n", {}, ["interactions.csv: timestamp", "user_id, item_id"]),
        ("", INTERACTIONS, {}, ["items.csv", "an empty file"]),
        ("item_id,title\n", INTERACTIONS, {}, ["items.csv", "at least one row", "none"]),
        (
            ITEMS + "a,Again\n",
            INTERACTIONS,
            {},
            ["item_id", "each id once", "'a' 2 times", "row 5 of"],
        ),
        (ITEMS, INTERACTIONS + "u,q,4\n", {}, ["'q'", "row 7", "1 of 7", "unknown_items"]),
        (ITEMS, INTERACTIONS, {"min_interactions": 4}, ["user_id", "at least 4", "2 users"]),
        (ITEMS, INTERACTIONS + "u,d,soon\n", {}, ["14.3% (1 × unparsable timestamp)", "row 7"]),
        (ITEMS, INTERACTIONS, {"unknown_items": "drop"}, ["error or reject", "found drop"]),
        (ITEMS, INTERACTIONS, {"num_shards": 0}, ["num_shards", "at least 1", "found 0"]),
        (ITEMS, INTERACTIONS, {"max_rejected_share": 5.0}, ["max_rejected_share", "0 to 1"]),
        (ITEMS, INTERACTIONS, {"items": "no/such.csv"}, ["no/such.csv", "nothing there"]),
    ],
)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    tmp_path: Path, items: str, interactions: str, changes: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, items, interactions, **changes)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert [part for part in parts if part not in sentence] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["interactions.csv", "items.csv"]


def test_a_file_that_breaks_off_stops_the_run_whatever_the_share(tmp_path: Path) -> None:
    rows = "".join(f"u{user},a,{user}\n" for user in range(200))
    with pytest.raises(InputError, match=r"interactions\.csv.*a whole file.*unreadable file"):
        run(tmp_path, ITEMS, f'user_id,item_id,timestamp\n{rows}"u,a', max_rejected_share=1.0)
