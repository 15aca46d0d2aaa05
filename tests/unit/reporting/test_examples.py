"""Users to look at: which ones, and what is said of them."""

import torch

from tests.unit.evaluation.held_out import held_out
from tests.unit.evaluation.small_data import TEST, TRAIN, Event, Told, dataset
from towerflow.evaluation.assessment import judge
from towerflow.interactions.dataset import Dataset
from towerflow.reporting.examples import LONGEST, NUM_EXAMPLES, Example, examples

NUM_ITEMS = 30


def shown(data: Dataset, table: torch.Tensor, *, hit: bool) -> list[Example]:
    test = held_out(data)
    return examples(test, judge(Told(table), test.embeddings, test), hit=hit)


def falling(num_users: int) -> torch.Tensor:
    """Everybody is recommended items 0, 1, 2, … in this order."""
    return -torch.arange(NUM_ITEMS).repeat(num_users, 1)


def test_users_are_spread_evenly_over_those_that_fit() -> None:
    # Each has taken item 0, so ranks begin with item 1. Even users take item 3, odd ones item 20.
    events: list[Event] = []
    for user in range(10):
        events += [(user, 0, TRAIN), (user, 20 if user % 2 else 3, TEST)]
    data = dataset(events, NUM_ITEMS)
    hits, misses = (shown(data, falling(10), hit=hit) for hit in (True, False))
    assert [one.user_id for one in hits] == ["user 0", "user 4", "user 8"]
    assert [one.user_id for one in misses] == ["user 1", "user 5", "user 9"]
    assert len(hits) == NUM_EXAMPLES
    assert hits[0].outcome == "found at rank 3"
    assert misses[0].outcome == "found at rank 20"  # beyond what is shown
    assert [title.text for title in hits[0].recommended if title.found] == ["Item 3"]
    assert [title.text for title in hits[0].recommended][:2] == ["Item 1", "Item 2"]
    assert not any(title.found for title in misses[0].recommended)


def test_fewer_users_than_examples_are_all_there_is() -> None:
    data = dataset([(0, 0, TRAIN), (0, 3, TEST)], NUM_ITEMS)
    assert len(shown(data, falling(1), hit=True)) == 1
    assert shown(data, falling(1), hit=False) == []


def test_several_next_items_are_counted_with_their_ranks() -> None:
    data = dataset([(0, 0, TRAIN), *((0, item, TEST) for item in (2, 5, 25))], NUM_ITEMS)
    (one,) = shown(data, falling(1), hit=True)
    assert one.outcome == "3 of 3 found, at ranks 2, 5, 25"
    assert [title.text for title in one.next_items] == ["Item 2", "Item 5", "Item 25"]


def test_what_is_left_out_of_long_lists_is_counted() -> None:
    past: list[Event] = [(0, item, TRAIN) for item in range(12)]
    data = dataset([*past, *((0, item, TEST) for item in range(12, 28))], NUM_ITEMS)
    (one,) = shown(data, falling(1), hit=True)
    assert [title.text for title in one.history] == [f"Item {item}" for item in range(11, 1, -1)]
    assert one.earlier == 2
    assert len(one.next_items) == 10
    assert one.more == 6
    assert one.outcome == "16 of 16 found, at ranks 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"


def test_an_item_that_is_never_reached_is_said_to_be_so() -> None:
    data = dataset([(0, 0, TRAIN), (0, 59, TEST)], 60)
    (one,) = shown(data, -torch.arange(60).reshape(1, -1), hit=False)
    assert one.outcome == "not among the first 50"


def test_a_user_without_a_vector_is_recommended_nothing() -> None:
    data = dataset([(0, 0, TRAIN), (0, 3, TEST)], NUM_ITEMS)
    (one,) = shown(data, torch.full((1, NUM_ITEMS), torch.nan), hit=False)
    assert one.outcome == "nothing is recommended"
    assert one.recommended == []


def test_long_titles_are_cut_and_missing_ones_are_ids() -> None:
    data = dataset([(0, 0, TRAIN), (0, 3, TEST)], NUM_ITEMS)
    data.titles[0], data.titles[3] = "", "x" * (LONGEST + 1)
    (one,) = shown(data, falling(1), hit=True)
    assert one.history[0].text == "item 0"
    assert one.next_items[0].text == "x" * (LONGEST - 1) + "…"
    assert one.next_items[0].whole == data.titles[3]
    assert one.history[0].whole == ""
