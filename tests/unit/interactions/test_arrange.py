"""The work on a shard: order by ids and times alone, every event accounted for."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.arrange import (
    Events,
    Rules,
    add_counts,
    arrange,
    count_items,
    count_lengths,
    read_events,
    select,
)
from towerflow.interactions.filters import Repeats
from towerflow.interactions.hashing import hash_ids
from towerflow.storage.filesystems import write_parquet

Event = tuple[str, int, float, int]  # user, item, time, tie
events = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w", "ü"]),
        st.integers(0, 3),
        st.sampled_from([1.0, 2.0]),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda event: (event[0], event[3]),  # a pair of user and item has its own
)
EVERYTHING = Rules(longest_history=None, max_history=0, min_user_interactions=1)


def table(rows: list[Event]) -> pa.Table:
    """As the shuffle brings them."""
    users, items, times, ties = zip(*rows, strict=True)
    return pa.table(
        {
            "user_id": pa.array(users),
            "item_index": pa.array(items, pa.int32()),
            "timestamp": pa.array(times),
            "tie": pa.array(ties, pa.uint64()),
        }
    )


@given(events)
def test_events_are_in_order_of_the_users_hash_then_time_then_tie(rows: list[Event]) -> None:
    def place(event: Event) -> tuple[int, float, int]:
        return int(hash_ids(pa.array([event[0]]))[0]), event[2], event[3]

    arranged = arrange(table(rows), Repeats.ALL)
    names = ("user_id", "item_index", "timestamp", "tie")
    found = list(zip(*(arranged[name].to_pylist() for name in names), strict=True))
    assert found == sorted(rows, key=place)
    users = [event[0] for event in found]
    distinct = list(dict.fromkeys(users))
    assert arranged["user"].to_pylist() == [distinct.index(user) for user in users]


@given(events.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_in_which_events_arrive_changes_nothing(
    both: tuple[list[Event], list[Event]],
) -> None:
    one, other = (arrange(table(rows), Repeats.FIRST) for rows in both)
    assert one.to_pylist() == other.to_pylist()


@pytest.mark.parametrize(
    ("repeats", "times"), [(Repeats.FIRST, [1]), (Repeats.LAST, [5]), (Repeats.ALL, [1, 3, 5])]
)
def test_of_a_repeat_the_first_the_last_or_all_stay(repeats: Repeats, times: list[int]) -> None:
    rows: list[Event] = [("u", 0, 3.0, 1), ("u", 0, 1.0, 2), ("u", 0, 5.0, 3)]
    assert arrange(table(rows), repeats)["timestamp"].to_pylist() == times


@given(events, st.data())
def test_columns_to_slice_by_come_along_and_decide_what_nothing_else_does(
    rows: list[Event], data: st.DataObject
) -> None:
    """Each event comes twice, from two places."""
    twice = data.draw(st.permutations([*rows, *rows]))
    places = data.draw(st.lists(st.sampled_from(["a", "b", None]), min_size=2 * len(rows)))
    carried = pa.array(places[: len(twice)], pa.string())
    moved = data.draw(st.permutations(range(len(twice))))
    shuffled = table(twice).append_column("slice:place", carried)
    arranged = arrange(shuffled, Repeats.ALL)
    assert arranged.to_pylist() == arrange(shuffled.take(moved), Repeats.ALL).to_pylist()
    names = ("user_id", "item_index", "timestamp", "tie", "slice:place")
    found = list(zip(*(arranged[name].to_pylist() for name in names), strict=True))
    came = [(*event, place) for event, place in zip(twice, carried.to_pylist(), strict=True)]
    assert sorted(found, key=repr) == sorted(came, key=repr)


users_and_items = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=15)


@given(
    users_and_items,
    st.none() | st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 3),
    st.none() | st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_every_event_is_kept_or_dropped_by_the_first_filter_that_minds(
    rows: list[tuple[int, int]],
    longest: int | None,
    max_history: int,
    minimum: int,
    alive: list[bool] | None,
) -> None:
    rows = sorted(rows)
    user, item = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    rules = Rules(longest, max_history, minimum)
    kept, dropped = select(Events(user, item), rules, None if alive is None else np.array(alive))
    assert len(kept) + sum(dropped) == len(rows)

    left = [place for place in range(len(rows)) if longest is None
            or user.tolist().count(user[place]) <= longest]  # fmt: skip
    bots = len(rows) - len(left)
    left = [place for at, place in enumerate(left) if not max_history
            or [user[p] for p in left[at:]].count(user[place]) <= max_history]  # fmt: skip
    old = len(rows) - bots - len(left)
    left = [place for place in left if alive is None or alive[item[place]]]
    owners = [user[place] for place in left]
    left = [place for place in left if owners.count(user[place]) >= minimum]
    assert kept.tolist() == left
    assert dropped[:2] == [bots, old]


def test_a_shard_is_read_and_counted_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "shard-00000.parquet")
    rows: list[Event] = [("u", 0, 1.0, 1), ("u", 2, 2.0, 2), ("v", 2, 1.0, 3)]
    write_parquet(path, arrange(table(rows), Repeats.ALL))
    assert sorted(read_events(path).item.tolist()) == [0, 2, 2]
    assert count_items(path, EVERYTHING, None, 4).tolist() == [1, 0, 2, 0]
    assert count_lengths(path)["count"].to_pylist() == [0, 1, 1]  # one user with 1, one with 2


def test_counts_of_two_shards_are_added_to_the_longer_one() -> None:
    one, other = pa.table({"count": [1, 2]}), pa.table({"count": [10, 10, 10]})
    assert add_counts(one, other)["count"].to_pylist() == [11, 12, 10]
    assert add_counts(other, one)["count"].to_pylist() == [11, 12, 10]
