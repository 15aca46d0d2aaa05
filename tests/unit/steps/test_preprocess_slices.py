"""`preprocess` with columns to slice by: every value stays with its item or its event."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.steps.test_preprocess import ITEMS, run
from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest import files, prepare
from towerflow.interactions.changes import CHANGES_FILE
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE, Dataset
from towerflow.storage.artifact import read_manifest

MADE = (
    "item_id,title,maker,country\nd,Dates,Palm,TN\nc,Cheese,,NL\nb,Bread,Oven,\na,Apple,Tree,DE\n"
)
# Every event says in `device` who took what and when.
EVENTS = [
    *(("u", "a", 1, 5), ("u", "b", 2, 4), ("u", "a", 3, 5), ("u", "c", 4, 1), ("u", "d", 5, 5)),
    *(("v", "b", 1, 4), ("v", "c", 2, 5), ("v", "d", 3, 5), ("v", "a", 4, 3), ("w", "a", 1, 5)),
]
LOG = "user_id,item_id,timestamp,stars,device,country\n" + "".join(
    f"{user},{item},{time},{stars},{user}{item}{time},{'DE' if time % 2 else ''}\n"
    for user, item, time, stars in EVENTS
)
RATED = ["rating=stars", "brand=maker"]


def devices(data: Dataset) -> list[str]:
    """What `device` has to say of each event that is left."""
    return [
        f"{data.user_ids[user]}{data.item_ids[item]}{time:g}"
        for user, item, time in zip(data.user_index, data.item_index, data.timestamp, strict=True)
    ]


def test_values_are_in_the_order_of_the_dataset(tmp_path: Path) -> None:
    data = run(tmp_path, MADE, LOG, slice_columns=["country", "maker", "device"])
    assert data.item_ids == ["a", "b", "c", "d"]
    assert data.item_columns == {
        "country": ["DE", None, "NL", "TN"],
        "maker": ["Tree", "Oven", None, "Palm"],
    }
    # u's second a and w, who has too few events, are left out.
    assert sorted(devices(data)) == sorted(f"u{x}" for x in ("a1", "b2", "c4", "d5")) + sorted(
        f"v{x}" for x in ("b1", "c2", "d3", "a4")
    )
    assert data.event_columns == {
        "country": ["DE" if time % 2 else None for time in data.timestamp],
        "device": devices(data),
    }
    details = read_manifest(tmp_path / "dataset").details
    assert details["slice_columns"] == ["country", "maker", "device"]


@pytest.mark.parametrize(
    "settings",
    [
        {"repeats": "last"},
        {"repeats": "all", "max_history": 2, "min_user_interactions": 1},
        {"min_rating": 4.0, "min_user_interactions": 1},
        {"min_user_interactions": 2, "min_item_interactions": 2, "catalogue": "interacted"},
        {"few_shot": "single", "split": "random-leave-one-out"},
        {"bot_quantile": 0.4, "min_user_interactions": 1},
        {"split": "global-time", "split_share": 0.3},
    ],
)
def test_whatever_is_left_out_values_stay_with_their_events(
    tmp_path: Path, settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "SHARD_BYTES", 100)  # users are in different shards
    monkeypatch.setattr(files, "PIECE_BYTES", 100)
    names = ["device", "rating", "brand"]
    data = run(tmp_path, MADE, LOG, slice_columns=names, columns=RATED, **settings)
    assert len(data.item_index)
    stars = {f"{user}{item}{time}": str(stars) for user, item, time, stars in EVENTS}
    assert data.event_columns == {
        "device": devices(data),
        "rating": [stars[device] for device in devices(data)],
    }
    brands = {"a": "Tree", "b": "Oven", "c": None, "d": "Palm"}
    assert data.item_columns == {"brand": [brands[item] for item in data.item_ids]}


def test_of_items_and_events_that_differ_in_nothing_else_the_same_one_stays(
    tmp_path: Path,
) -> None:
    """Whichever comes first in the file."""
    items = "item_id,title,country\na,Apple,\na,Apple,DE\na,Apple,AT\nb,Bread,DE\nc,Cheese,\n"
    log = "user_id,item_id,timestamp,device\nu,a,1,\nu,a,1,tv\nu,a,1,pc\nu,b,2,tv\nu,c,3,pc\n"
    hashes = set()
    for turn in (1, -1):
        (header, *some), (head, *rows) = (text.splitlines(keepends=True) for text in (items, log))
        data = run(
            tmp_path,
            header + "".join(some[::turn]),
            head + "".join(rows[::turn]),
            slice_columns=["country", "device"],
            max_rejected_share=0.5,
        )
        assert data.item_columns == {"country": ["AT", "DE", None]}
        assert data.event_columns == {"device": ["pc", "tv", "pc"]}
        hashes.add(data.content_hash)
    assert len(hashes) == 1


def test_without_any_the_artifact_is_as_it_was(tmp_path: Path) -> None:
    data = run(tmp_path, MADE, LOG)
    assert (data.item_columns, data.event_columns) == ({}, {})
    folder = tmp_path / "dataset"
    assert pq.read_schema(folder / ITEMS_FILE).equals(schema.ITEMS_SCHEMA)
    assert pq.read_schema(folder / INTERACTIONS_FILE).equals(schema.INTERACTIONS_SCHEMA)
    assert read_manifest(folder).details["slice_columns"] == []


def test_a_name_that_is_nowhere_stops_the_run_and_what_there_is_is_listed(tmp_path: Path) -> None:
    told = "slice_column: contry: expected a column of the items or the interactions files, found "
    told += "columns country, device, item_id, maker, stars, timestamp, title, user_id"
    with pytest.raises(InputError, match=told):
        run(tmp_path, MADE, LOG, slice_columns=["country", "contry"])
    assert not (tmp_path / "dataset").exists()


def test_an_earlier_dataset_may_have_had_other_columns(tmp_path: Path) -> None:
    run(tmp_path, MADE, LOG, slice_columns=["maker"])
    (tmp_path / "dataset").rename(tmp_path / "before")
    previous = str(tmp_path / "before")
    data = run(tmp_path, ITEMS, LOG, slice_columns=["country"], previous_dataset=previous)
    assert set(data.item_columns) == set()
    assert set(data.event_columns) == {"country"}
    changes = pq.read_table(tmp_path / "dataset" / CHANGES_FILE).to_pylist()
    assert changes == []  # maker and country are in no text
