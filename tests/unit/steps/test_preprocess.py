"""`preprocess`: counts add up, splits are right, every mistake gets one sentence."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import PREPROCESS, Run
from towerflow.errors import InputError
from towerflow.ingest import files, prepare
from towerflow.interactions.changes import CHANGES_FILE
from towerflow.interactions.dataset import Dataset
from towerflow.schema import REJECTED_FILE, Split
from towerflow.steps.preprocess import preprocess
from towerflow.storage.artifact import read_manifest

ITEMS = "item_id,title\na,Apple\nb,Bread\nc,Cheese\nd,Dates\n"
INTERACTIONS = "user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,c,3\nv,b,1\nv,c,2\nv,d,3\n"


def run(tmp_path: Path, items_csv: str, interactions_csv: str, **changes: Any) -> Dataset:
    """Preprocess two CSV texts."""
    (tmp_path / "items.csv").write_text(items_csv, "utf-8")
    (tmp_path / "interactions.csv").write_text(interactions_csv, "utf-8")
    arguments = PREPROCESS | {
        "items": str(tmp_path / "items.csv"),
        "interactions": str(tmp_path / "interactions.csv"),
        "dataset": tmp_path / "dataset",
        "rejected": tmp_path / "rejected",
        "counts": tmp_path / "counts.json",
    }
    preprocess(**{**arguments, **changes})
    return Dataset.open(tmp_path / "dataset")


def histories(data: Dataset, *splits: Split) -> dict[str, list[str]]:
    """Item ids of each user."""
    lists = data.lists(*(splits or Split))
    return {
        user: [data.item_ids[item] for item in lists[index]]
        for index, user in enumerate(data.user_ids)
    }


def test_the_shop_is_counted_to_the_last_row(shop_run: Run) -> None:
    counts = read_manifest(shop_run.dataset).counts
    assert {name: number for name, number in counts.items() if number} == {
        "items": 50,
        "users": 40,
        "interactions": 279,
        "train": 279 - 40 - 40,
        "validation": 40,
        "test": 40,
        "item_rows_read": 51,
        "rejected_items": 1,
        "interaction_rows_read": 279 + 4,
        "rejected_interactions": 2,
        "dropped_small_users": 2,
    }
    assert {name for name, number in counts.items() if not number} == {
        "dropped_items",
        "dropped_low_rating",
        "dropped_repeats",
        "dropped_bots",
        "dropped_old",
        "dropped_rare_items",
        "dropped_few_shot",
    }


def test_the_ui_is_told_all_counts_and_the_rejects_by_reason(shop_run: Run) -> None:
    told = json.loads((shop_run.dataset.parent / "counts.json").read_text("utf-8"))
    reasons = {"its item was rejected": 1, "no text": 1, "unparsable timestamp": 1}
    expected = {f"rejected: {reason}": number for reason, number in reasons.items()}
    assert told == read_manifest(shop_run.dataset).counts | expected
    assert read_manifest(shop_run.dataset).details["rejected"] == reasons


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
    assert histories(data, Split.TRAIN) == {"u": ["a"], "v": ["b"]}
    assert histories(data, Split.VALIDATION) == {"u": ["b"], "v": ["c"]}
    assert histories(data, Split.TEST) == {"u": ["c"], "v": ["d"]}


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
    assert histories(data)["u"] == ["a", "b", "c"]
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
        (ITEMS + "a,Again\n", INTERACTIONS, {}, ["20.0%", "1 × repeated item_id", "row 1"]),
        (ITEMS, INTERACTIONS, {"repeats": "none"}, ["repeats", "'none'", "first"]),
        (ITEMS, INTERACTIONS, {"bot_quantile": 0.0}, ["bot_quantile", "greater than 0"]),
        (ITEMS, INTERACTIONS, {"split": "by-luck"}, ["kind", "'by-luck'", "global-time"]),
        (ITEMS, INTERACTIONS, {"catalogue": "some"}, ["all or interacted", "found some"]),
        (ITEMS, INTERACTIONS, {"preset": "amazon"}, ["preset", "amazon-2014", "'amazon'"]),
        (ITEMS, INTERACTIONS, {"columns": ["asin"]}, ["column", "item_id=asin", "'asin'"]),
        (
            ITEMS,
            INTERACTIONS,
            {"columns": ["title=nme"]},
            ["title=nme", "a column nme", "title, user_id"],
        ),
        (ITEMS, INTERACTIONS, {"item_template": "x"}, ["item_template", "plain or learn", "'x'"]),
        (ITEMS, INTERACTIONS, {"min_rating": 4.0}, ["interactions.csv: rating", "item_id"]),
        (ITEMS, INTERACTIONS, {"previous_dataset": "/none"}, ["/none", "manifest.json"]),
        (ITEMS, INTERACTIONS, {"beam_runner": "DataflowRunner"}, ["DataflowRunner", "project=…"]),
        (ITEMS, INTERACTIONS + "u,q,4\n", {}, ["'q'", "row 7", "1 of 7", "unknown_items"]),
        (
            ITEMS,
            INTERACTIONS,
            {"min_user_interactions": 4},
            ["user_id", "at least 4", "found none"],
        ),
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
    rows = "".join(f"u{user},a,{user}\n" for user in range(900_000))
    log = tmp_path / "log.csv.gz"
    log.write_bytes(gzip.compress(f"user_id,item_id,timestamp\n{rows}".encode(), 1)[:-20])
    with pytest.raises(InputError, match=r"log\.csv.*a whole file.*unreadable file"):
        run(tmp_path, ITEMS, "", interactions=str(log), max_rejected_share=1.0)


RATED = (
    "who,asin,when,stars\n"
    "u,a,1,5\nu,b,2,4\nu,c,3,1\nu,d,4,5\nv,a,1,4\nv,b,2,5\nv,c,3,5\nw,a,1,5\nw,b,2,3\nw,d,3,5\n"
)
MAPPED = {
    "columns": ["user_id=who", "item_id=asin", "timestamp=when", "rating=stars"],
}


def test_columns_are_mapped_and_low_ratings_are_no_rejects(tmp_path: Path) -> None:
    items = "asin,title\na,Apple\nb,Bread\nc,Cheese\nd,Dates\n"
    data = run(tmp_path, items, RATED, **MAPPED, min_rating=4.0, min_user_interactions=2)
    assert histories(data) == {"u": ["a", "b", "d"], "v": ["a", "b", "c"], "w": ["a", "d"]}
    counts = read_manifest(tmp_path / "dataset").counts
    assert (counts["dropped_low_rating"], counts["rejected_interactions"]) == (2, 0)


def test_when_all_are_rated_too_low_it_says_so(tmp_path: Path) -> None:
    items = "asin,title\na,Apple\nb,Bread\nc,Cheese\nd,Dates\n"
    with pytest.raises(InputError, match="rating: expected a rating of 6 or more, found none"):
        run(tmp_path, items, RATED, **MAPPED, min_rating=6.0)


def test_with_no_item_popular_enough_nobody_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"different items of at least 9, found none"):
        run(tmp_path, ITEMS, INTERACTIONS, min_item_interactions=9, catalogue="interacted")


def test_the_core_and_the_catalogue_of_what_is_left(tmp_path: Path) -> None:
    """c and d have two interactions each; without them nobody has too few."""
    items = "asin,title\na,Apple\nb,Bread\nc,Cheese\nd,Dates\n"
    settings = MAPPED | {"min_user_interactions": 2, "min_item_interactions": 3}
    data = run(tmp_path, items, RATED, **settings)
    assert histories(data) == {"u": ["a", "b"], "v": ["a", "b"], "w": ["a", "b"]}
    assert data.item_ids == ["a", "b", "c", "d"]
    assert read_manifest(tmp_path / "dataset").counts["dropped_rare_items"] == 2 + 2
    less = run(tmp_path, items, RATED, **settings, catalogue="interacted")
    assert less.item_ids == ["a", "b"]
    assert histories(less) == histories(data)
    assert read_manifest(tmp_path / "dataset").counts["dropped_items"] == 2


def test_bots_and_old_events_are_counted(tmp_path: Path) -> None:
    log = INTERACTIONS + "u,d,4\n"
    data = run(tmp_path, ITEMS, log, bot_quantile=0.5)
    assert histories(data) == {"v": ["b", "c", "d"]}
    assert read_manifest(tmp_path / "dataset").counts["dropped_bots"] == 4
    data = run(tmp_path, ITEMS, log, max_history=3)
    assert histories(data) == {"u": ["b", "c", "d"], "v": ["b", "c", "d"]}
    assert read_manifest(tmp_path / "dataset").counts["dropped_old"] == 1


def test_by_global_time_the_future_judges(tmp_path: Path) -> None:
    log = "user_id,item_id,timestamp\n" + "".join(
        f"u{number % 5},{'abcd'[number // 5]},{number}\n" for number in range(20)
    )
    data = run(tmp_path, ITEMS, log, split="global-time", split_share=0.2)
    latest = {split: data.timestamp[data.split == split.value].max() for split in Split}
    assert list(latest.values()) == [11, 15, 19]


def test_new_items_are_in_no_training_history(tmp_path: Path) -> None:
    items = "item_id,title\n" + "".join(f"i{n},Item {n}\n" for n in range(40))
    log = "user_id,item_id,timestamp\n" + "".join(
        f"u{n % 8},i{n % 40},{n}\n" for n in range(0, 400, 3)
    )
    data = run(tmp_path, items, log, split="new-items", split_share=0.25, split_seed=3)
    seen = {split: set(data.lists(split).items.tolist()) for split in Split}
    assert all(len(items) >= 3 for items in seen.values())
    assert sum(map(len, seen.values())) == len(set.union(*seen.values()))


def test_few_shot_leaves_one_training_event_a_user(tmp_path: Path) -> None:
    data = run(tmp_path, ITEMS, INTERACTIONS + "u,d,4\nv,a,0\n", few_shot="single")
    assert data.lists(Split.TRAIN).lengths.tolist() == [1, 1]
    assert data.lists(Split.TEST).lengths.tolist() == [1, 1]
    assert read_manifest(tmp_path / "dataset").counts["dropped_few_shot"] == 2


def test_an_earlier_dataset_tells_new_changed_and_gone_items(tmp_path: Path) -> None:
    run(tmp_path, ITEMS, INTERACTIONS)
    (tmp_path / "dataset").rename(tmp_path / "before")
    run(
        tmp_path,
        "item_id,title\nb,Bread\nc,Blue cheese\nd,Dates\ne,Eggs\n",
        "user_id,item_id,timestamp\nv,b,1\nv,c,2\nv,d,3\n",
        previous_dataset=str(tmp_path / "before"),
    )
    changes = pq.read_table(tmp_path / "dataset" / CHANGES_FILE).to_pylist()
    assert {row["item_id"]: row["change"] for row in changes} == {
        "a": "gone",
        "c": "changed",
        "e": "new",
    }
    counts = read_manifest(tmp_path / "dataset").counts
    assert [counts[f"items_{change}"] for change in ("new", "changed", "gone")] == [1, 1, 1]


def test_chinese_goes_through_as_it_is(tmp_path: Path) -> None:
    items = "item_id,title,brand\n甲,钢笔　（黑色）,无\n乙,订书机,得力\n丙,胶水,\n"
    log = "user_id,item_id,timestamp\n用户,甲,1\n用户,乙,2\n用户,丙,3\n"
    data = run(tmp_path, items, log, item_template="plain")
    texts = dict(zip(data.item_ids, data.texts, strict=True))
    assert texts == {"甲": "钢笔 (黑色)", "乙": "订书机 | 得力", "丙": "胶水"}
    assert data.user_ids == ["用户"]


TWO_WORKERS = ["direct_num_workers=2", "direct_running_mode=multi_processing"]


def test_workers_sharding_order_and_format_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    names = [f"i{n}" for n in range(30)]
    items = [f"{name},Item {name}\n" for name in names]
    rows = [
        (f"u{user}", names[item], int(day))
        for user, item, day in zip(
            rng.integers(0, 40, 900), rng.integers(0, 30, 900), rng.integers(0, 9, 900), strict=True
        )
    ]
    settings = {"min_user_interactions": 5, "min_item_interactions": 5}

    def dataset(lines: list[tuple[str, str, int]], count: int, **more: Any) -> str:
        folder = tmp_path / "log"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for number in range(count):
            part = lines[number::count]
            if number % 3:
                packed = "".join(
                    json.dumps(dict(zip(("user_id", "item_id", "timestamp"), row, strict=True)))
                    + "\n"
                    for row in part
                )
                name = f"{number}.jsonl{'.gz' if number % 3 == 2 else ''}"
                pack = gzip.compress if number % 3 == 2 else bytes
                (folder / name).write_bytes(pack(packed.encode()))
            else:
                text = "".join(f"{user},{item},{day}\n" for user, item, day in part)
                (folder / f"{number}.csv").write_text(f"user_id,item_id,timestamp\n{text}")
        header = "item_id,title\n"
        return run(
            tmp_path, header + "".join(items), "", interactions=str(folder), **settings, **more
        ).content_hash

    once = dataset(rows, 1)
    assert dataset(rows[::-1], 3) == once
    items.reverse()
    monkeypatch.setattr(prepare, "SHARD_BYTES", 500)  # many shards of users in place of one
    monkeypatch.setattr(files, "PIECE_BYTES", 700)  # and files read in pieces
    assert dataset(rows, 4) == once
    assert dataset(rows, 2, beam_options=TWO_WORKERS) == once
