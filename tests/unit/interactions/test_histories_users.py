"""ItemLists know whose they are if they come from a Dataset, and keep knowing it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Run
from towerflow.evaluation.protocol import task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.schema import Split

lists = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=5)


def known(rows: list[list[int]]) -> ItemLists:
    """Of users 0, 1, 2 and so on."""
    ragged = ItemLists.from_lists(rows)
    return ItemLists.from_events(ragged.rows(), ragged.items, len(rows))


def who(ragged: ItemLists) -> list[int]:
    assert ragged.user_index is not None
    return ragged.user_index.tolist()


@given(lists)
def test_lists_of_nobody_in_particular_are_strangers(rows: list[list[int]]) -> None:
    ragged = ItemLists.from_lists(rows)
    assert ragged.user_index is None
    everybody = np.arange(len(rows))
    for other in (ragged.take(everybody), ragged.where(ragged.items > 3), ragged.last(1)):
        assert other.user_index is None


@given(lists)
def test_events_belong_to_their_users_and_so_does_a_list_without_any(rows: list[list[int]]) -> None:
    assert who(known(rows)) == list(range(len(rows)))


@given(lists, st.data())
def test_those_who_are_taken_stay_who_they_are(rows: list[list[int]], data: st.DataObject) -> None:
    some = st.lists(st.integers(0, len(rows) - 1), max_size=6)
    users = np.array(data.draw(some), dtype=np.int64)
    taken = known(rows).take(users)
    assert who(taken) == users.tolist()
    again = np.arange(len(users))[::-1]
    assert who(taken.take(again)) == users[::-1].tolist()


@given(lists, st.integers(0, 5))
def test_users_whose_events_are_left_out_stay_who_they_are(
    rows: list[list[int]], length: int
) -> None:
    users = np.arange(len(rows))[::-1]
    ragged = known(rows).take(users)
    for shorter in (ragged.last(length), ragged.where(ragged.items < length)):
        assert who(shorter) == users.tolist()


def test_a_dataset_says_whose_lists_it_gives(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    assert who(data.lists(Split.TRAIN)) == list(range(data.num_users))
    test = task(data, Split.TEST)
    assert who(test.histories) == who(test.relevant) == test.users.tolist()
