"""Slices are parts of the same test, by hand."""

import numpy as np
import pytest
import torch

from tests.unit.evaluation.small_data import TEST, TRAIN, VALIDATION, Event, Told, dataset
from towerflow.evaluation.popularity_groups import PopularityGroups
from towerflow.evaluation.protocol import Task, evaluate_model, task
from towerflow.evaluation.slices import find_slices, measure_slice
from towerflow.interactions.dataset import Dataset

NUM_ITEMS = 24
TEXTS = ["", *["one"] * 3, *["two words"] * 3, *["now three words"] * 17]


def journey(user: int, items: list[int], days: list[float], tested: int = 1) -> list[Event]:
    """The last `tested` of `items` are tested, the one before chooses, all others teach."""
    splits = [TRAIN] * (len(items) - tested - 1) + [VALIDATION] + [TEST] * tested
    parts = splits[-len(items) :]
    return [(user, *event) for event in zip(items, parts, days, strict=True)]


# User 0 comes from nowhere, user 1 knows 2 items, user 2 six, user 3 twenty-one.
EVENTS: list[Event] = [
    (0, 4, TEST, 0.0),
    *journey(1, [1, 2, 0], [0, 1, 2]),
    *journey(2, [1, 2, 3, 4, 5, 6, 7, 23], [0, 0, 0, 0, 0, 5, 9, 40], tested=2),
    *journey(3, list(range(1, 23)), [0.0] * 21 + [30.5]),
]
DATA = dataset(EVENTS, NUM_ITEMS, texts=TEXTS)
TASK = task(DATA, TEST)


def groups(data: Dataset) -> PopularityGroups:
    return PopularityGroups.of(np.bincount(data.lists(TRAIN).items, minlength=data.num_items))


def held(data: Dataset, posed: Task) -> dict[str, list[tuple[int, int]]]:
    """By slice, the user and the item of what it holds."""
    users = posed.users[posed.relevant.rows()]
    found = {}
    for part in find_slices(data, posed, groups(data)):
        found[part.name] = list(
            zip(users[part.keep].tolist(), posed.relevant.items[part.keep].tolist(), strict=True)
        )
    return found


ALL = [(0, 4), (1, 0), (2, 7), (2, 23), (3, 22)]


def test_users_fall_into_the_slice_of_their_history() -> None:
    found = held(DATA, TASK)
    assert found["history: cold"] == [(0, 4)]
    assert found["history: few-shot"] == [(1, 0)]
    assert found["history: medium"] == [(2, 7), (2, 23)]
    assert found["history: long"] == [(3, 22)]


@pytest.mark.parametrize(
    ("length", "name"),
    [(1, "cold"), (2, "few-shot"), (5, "few-shot"), (6, "medium"), (20, "medium"), (21, "long")],
)
def test_the_bounds_of_a_history_are_as_described(length: int, name: str) -> None:
    data = dataset([*((0, item, TRAIN) for item in range(length)), (0, 23, TEST)], NUM_ITEMS)
    parts = find_slices(data, task(data, TEST), groups(data))
    found = {one.name: one.description for one in parts if one.name.startswith("history")}
    described = {
        "cold": "0 to 1 before",
        "few-shot": "2 to 5 before",
        "medium": "6 to 20 before",
        "long": "21 or more before",
    }
    assert found == {f"history: {name}": described[name]}


def test_a_history_is_not_shorter_because_it_is_ranked() -> None:
    shown = held(DATA, task(DATA, TEST, hide_history=False))
    assert shown["history: long"] == [(3, 22)]


def test_items_fall_into_the_slice_of_their_training() -> None:
    """15 items were taken once, items 2 to 5 twice, item 1 three times: middles 7.5, 19, 24.5."""
    found = held(DATA, TASK)
    assert found["popularity: new"] == [(1, 0), (2, 23), (3, 22)]
    assert found["popularity: tail"] == [(2, 7)]
    assert found["popularity: head"] == [(0, 4)]
    described = {one.name: one.description for one in find_slices(DATA, TASK, groups(DATA))}
    assert described["popularity: new"] == "never in training"
    assert described["popularity: head"] == "taken by 2 to 3 in training"


def test_items_fall_into_the_slice_of_their_words() -> None:
    """Of 23 texts a third has up to 3 words: short takes all of them, nothing is medium."""
    found = held(DATA, TASK)
    assert found["text: none"] == [(1, 0)]
    assert found["text: short"] == [(0, 4), (2, 7), (2, 23), (3, 22)]
    assert not {"text: medium", "text: long"} & found.keys()


def test_thirds_of_the_catalogue_by_words() -> None:
    texts = ["a", "a b", "a b c", "a b c d", "a b c d e", "a b c d e f", "  "]
    events: list[Event] = [(user, user, TEST) for user in range(7)]
    data = dataset(events, 7, texts=texts)
    parts = find_slices(data, task(data, TEST), groups(data))
    found = {one.name: (one.description, one.keep.nonzero()[0].tolist()) for one in parts}
    # Quantiles of 1 to 6: 1 + 5/3 and 1 + 10/3, of which the whole words count.
    assert found["text: short"] == ("1 to 2 words", [0, 1])
    assert found["text: medium"] == ("3 to 4 words", [2, 3])
    assert found["text: long"] == ("5 to 6 words", [4, 5])
    assert found["text: none"] == ("nothing to read", [6])


def test_a_catalogue_without_text_has_one_slice_for_it() -> None:
    data = dataset([(0, 1, TEST)], 3, texts=["", "", " "])
    found = held(data, task(data, TEST))
    assert [name for name in found if name.startswith("text")] == ["text: none"]


def test_pauses_are_since_the_last_that_was_known() -> None:
    """User 2's last known is of day 5, so what is tested comes 4 and 35 days later."""
    found = held(DATA, TASK)
    assert found["pause: up to a day"] == [(1, 0)]
    assert found["pause: up to a week"] == [(2, 7)]
    assert found["pause: longer"] == [(2, 23), (3, 22)]
    assert "pause: up to a month" not in found
    assert not any((0, 4) in found[name] for name in found if name.startswith("pause"))


@pytest.mark.parametrize(
    ("days", "name", "described"),
    [
        (0.0, "up to a day", "at most 1 day"),
        (1.0, "up to a day", "at most 1 day"),
        (1.5, "up to a week", "more than 1, at most 7 days"),
        (7.0, "up to a week", "more than 1, at most 7 days"),
        (30.0, "up to a month", "more than 7, at most 30 days"),
        (30.5, "longer", "more than 30 days"),
    ],
)
@pytest.mark.parametrize("seconds", [1.0, 1000.0])  # milliseconds
def test_the_bounds_of_a_pause_are_as_described(
    days: float, name: str, described: str, seconds: float
) -> None:
    data = dataset([(0, 0, TRAIN, 3.0), (0, 1, TEST, 3.0 + days)], 2, seconds=seconds)
    parts = find_slices(data, task(data, TEST), groups(data))
    found = {one.name: one.description for one in parts if one.name.startswith("pause")}
    assert found == {f"pause: {name}": described}


@pytest.mark.parametrize("seconds", [1e-8, 1e6])
def test_numbers_that_are_no_times_tell_no_pauses(seconds: float) -> None:
    """Steps 17, 17 and so on; microseconds."""
    data = dataset(EVENTS, NUM_ITEMS, seconds=seconds)
    assert not any(name.startswith("pause") for name in held(data, task(data, TEST)))


def test_carried_columns_are_slices_too() -> None:
    brands: list[str | None] = ["x", *["y"] * 22, None]
    devices: list[str | None] = ["pc"] * len(EVENTS)
    devices[0] = "tv"  # of the event that is tested; others of users 0 to 3 say nothing
    data = dataset(EVENTS, NUM_ITEMS, item_columns={"brand": brands})
    both = dataset(
        EVENTS, NUM_ITEMS, item_columns={"brand": brands}, event_columns={"device": devices}
    )
    found = held(both, task(both, TEST))
    assert found["brand: x"] == [(1, 0)]
    assert found["brand: y"] == [(0, 4), (2, 7), (3, 22)]
    assert found["brand: (empty)"] == [(2, 23)]
    assert found["device: tv"] == [(0, 4)]
    assert found["device: pc"] == [(1, 0), (2, 7), (2, 23), (3, 22)]
    assert held(data, task(data, TEST)).keys() == found.keys() - {"device: tv", "device: pc"}


@pytest.mark.parametrize("group", ["history", "popularity", "text"])
def test_a_group_of_slices_holds_everything_once(group: str) -> None:
    found = held(DATA, TASK)
    parts = [one for name in found if name.startswith(f"{group}: ") for one in found[name]]
    assert sorted(parts) == sorted(ALL)


def test_slices_without_anything_are_left_out() -> None:
    assert all(held(DATA, TASK).values())


def test_a_task_of_no_dataset_has_no_slices() -> None:
    stranger = Task(TASK.users, TASK.histories, TASK.relevant)
    with pytest.raises(AssertionError, match="a task of a Dataset"):
        find_slices(DATA, stranger, groups(DATA))


def test_a_slice_is_measured_by_what_it_holds_alone() -> None:
    """Everybody is given 23, 0, 22, 7, 4, as far as they have not seen them."""
    scores = np.zeros((4, NUM_ITEMS))
    scores[:, [23, 0, 22, 7, 4]] = [5, 4, 3, 2, 1]
    result = evaluate_model(Told(scores), torch.zeros(NUM_ITEMS, 1), TASK, (10, 20))
    parts = {one.name: one for one in find_slices(DATA, TASK, groups(DATA))}
    new = measure_slice(parts["popularity: new"], TASK, result)
    assert new.users.tolist() == [1, 2, 3]
    assert new.per_user.keys() == {f"{m}@10" for m in ("recall", "ndcg", "hit_rate", "mrr", "map")}
    # User 1 wants 0, user 2 wants 23, though not only that, user 3 wants 22.
    assert new.per_user["mrr@10"].tolist() == [1 / 2, 1, 1 / 3]
    assert new.per_user["ndcg@10"] == pytest.approx([1 / np.log2(3), 1, 1 / np.log2(4)])
    # User 2 is asked for both here.
    medium = measure_slice(parts["history: medium"], TASK, result)
    assert medium.users.tolist() == [2]
    ideal = 1 + 1 / np.log2(3)
    assert medium.per_user["ndcg@10"] == pytest.approx([(1 + 1 / np.log2(5)) / ideal])


def test_the_slices_of_a_group_put_together_are_the_whole() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, NUM_ITEMS))
    result = evaluate_model(Told(scores), torch.zeros(NUM_ITEMS, 1), TASK, (10,))
    parts = [one for one in find_slices(DATA, TASK, groups(DATA)) if "history" in one.name]
    put = np.zeros(len(TASK.users))
    for part in parts:
        measured = measure_slice(part, TASK, result)
        put[measured.users] = measured.per_user["ndcg@10"]
    assert put.tolist() == result.per_user["ndcg@10"].tolist()


@pytest.mark.parametrize(
    ("item_columns", "event_columns"),
    [
        ({"brand": ["empty", None]}, {}),  # a value that is called as what is no value
        ({"history": ["cold", "x"]}, {}),  # a column that is called as a group of ours
        ({"stars": ["4", "5"]}, {"stars": ["5", "4"]}),  # of items and of events
    ],
)
def test_no_two_slices_have_one_name(
    item_columns: dict[str, list[str | None]], event_columns: dict[str, list[str | None]]
) -> None:
    events: list[Event] = [(0, 0, TEST), (1, 1, TEST)]
    data = dataset(events, 2, item_columns=item_columns, event_columns=event_columns)
    names = [part.name for part in find_slices(data, task(data, TEST), groups(data))]
    assert len(names) == len(set(names))


def test_a_column_of_two_sources_or_of_our_name_is_told_by_its_source() -> None:
    events: list[Event] = [(0, 0, TEST), (1, 1, TEST)]
    data = dataset(
        events,
        2,
        item_columns={"stars": ["4", "5"], "history": ["cold", "x"], "brand": ["y", "y"]},
        event_columns={"stars": ["5", "4"], "text": ["none", None]},
    )
    found = held(data, task(data, TEST))
    assert found["item stars: 4"] == [(0, 0)]
    assert found["interaction stars: 4"] == [(1, 1)]
    assert found["item history: cold"] == [(0, 0)]
    assert found["interaction text: none"] == [(0, 0)]
    assert found["interaction text: (empty)"] == [(1, 1)]
    assert found["brand: y"] == found["history: cold"] == [(0, 0), (1, 1)]
    assert not {"stars: 4", "stars: 5", "history: x", "text: none", "text: (empty)"} & found.keys()


def test_what_was_done_before_the_last_that_is_known_has_no_pause() -> None:
    """A random split tests what came between."""
    data = dataset([(0, 0, TRAIN, 0), (0, 1, TEST, 1), (0, 2, TRAIN, 100)], 3)
    assert not any(name.startswith("pause") for name in held(data, task(data, TEST)))


@pytest.mark.parametrize("days", [0.5, 3.0, 20.0, 99.0])
def test_nor_is_it_in_the_slice_of_who_came_later(days: float) -> None:
    """User 0 was tested `days` before the last that is known, user 1 a day after it."""
    events = [(0, 0, TEST, 0), (0, 1, TRAIN, days), (1, 0, TRAIN, 0), (1, 1, TEST, 1)]
    data = dataset(events, 2)
    found = held(data, task(data, TEST))
    assert {name: found[name] for name in found if name.startswith("pause")} == {
        "pause: up to a day": [(1, 1)]
    }


def test_names_that_columns_and_values_make_twice_are_counted() -> None:
    """`b: c` of column `a`, and `c` of column `a: b`."""
    events: list[Event] = [(0, 0, TEST), (1, 1, TEST), (2, 2, TEST)]
    data = dataset(
        events,
        3,
        item_columns={"a": ["b: c", "x", "x"], "a: b": ["y", "c", "y"]},
        event_columns={"a: b: c": ["z", "z", None]},
    )
    found = held(data, task(data, TEST))
    assert found["a: b: c"] == [(0, 0)]
    assert found["a: b: c (2)"] == [(1, 1)]
    assert found["a: b: y"] == [(0, 0), (2, 2)]
    assert found["a: b: c: z"] == [(0, 0), (1, 1)]
    parts = find_slices(data, task(data, TEST), groups(data))
    described = {part.name: part.description for part in parts}
    assert (described["a: b: c"], described["a: b: c (2)"]) == ("a is b: c", "a: b is c")
    assert len(described) == len(parts)
