"""The task of a Dataset: each item to be found once, the history as it was."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evaluation.small_data import TEST, TRAIN, VALIDATION, Event, Told, dataset
from towerflow.evaluation.protocol import evaluate_model, task
from towerflow.schema import Split

# Users 0 and 2 are tested; user 0 took item 3 three times, user 2 comes back to item 1.
EVENTS: list[Event] = [
    (0, 0, TRAIN),
    (0, 1, VALIDATION),
    (0, 3, TEST),
    (0, 2, TEST),
    (0, 3, TEST),
    (0, 3, TEST),
    (1, 4, TRAIN),
    (2, 1, TRAIN),
    (2, 0, VALIDATION),
    (2, 1, TEST),
    (2, 4, TEST),
]
DATA = dataset(EVENTS, 5)


def test_what_was_taken_again_is_to_be_found_once_where_it_came_first() -> None:
    posed = task(DATA, TEST)
    assert posed.users.tolist() == [0, 2]
    assert [posed.relevant[row].tolist() for row in range(2)] == [[3, 2], [1, 4]]
    assert posed.events is not None
    assert posed.events.tolist() == [2, 3, 9, 10]
    assert DATA.item_index[posed.events].tolist() == posed.relevant.items.tolist()


def test_the_history_keeps_its_repeats_and_its_order() -> None:
    again = dataset([(0, 2, TRAIN), (0, 1, TRAIN), (0, 2, TRAIN), (0, 0, TEST)], 3)
    assert task(again, TEST).histories[0].tolist() == [2, 1, 2]


def test_found_once_it_is_found_whole() -> None:
    """User 0 is given item 3, then 2: all there is, though events name 3 three times."""
    scores = [[0, 0, 1, 2, 0]] * 3
    result = evaluate_model(Told(scores), torch.zeros(5, 1), task(DATA, TEST), (1, 2))
    found = {name: values[0] for name, values in result.per_user.items()}
    assert (found["recall@1"], found["map@1"], found["ndcg@1"]) == (1 / 2, 1 / 2, 1)
    assert {found[f"{name}@2"] for name in ("recall", "map", "ndcg", "mrr", "hit_rate")} == {1}


def test_what_was_taken_before_is_hidden_and_never_found() -> None:
    """User 2's item 1 has the best score, but is history; half of what is relevant is left."""
    scores = [[0, 9, 0, 0, 1]] * 3
    hidden = evaluate_model(Told(scores), torch.zeros(5, 1), task(DATA, TEST), (5,))
    assert hidden.recommended[1].tolist() == [4, 2, 3, -1, -1]
    assert hidden.per_user["recall@5"][1] == 1 / 2
    shown = task(DATA, TEST, hide_history=False)
    found = evaluate_model(Told(scores), torch.zeros(5, 1), shown, (5,))
    assert found.recommended[1].tolist() == [1, 4, 0, 2, 3]
    assert found.per_user["recall@5"][1] == 1


events = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(Split)), min_size=1
).map(lambda rows: sorted(rows, key=lambda row: (row[0], list(Split).index(row[2]))))


@given(events, st.sampled_from([Split.VALIDATION, Split.TEST]))
def test_it_holds_what_was_done_in_the_split_and_nothing_else(
    rows: list[tuple[int, int, Split]], split: Split
) -> None:
    data = dataset(rows, 5)
    posed = task(data, split)
    before = [TRAIN] if split is VALIDATION else [TRAIN, VALIDATION]
    for row, user in enumerate(posed.users.tolist()):
        taken = [item for who, item, part in rows if (who, part) == (user, split)]
        assert posed.relevant[row].tolist() == list(dict.fromkeys(taken))
        known = [item for who, item, part in rows if who == user and part in before]
        assert posed.histories[row].tolist() == known
    tested = {who for who, _, part in rows if part is split}
    assert posed.users.tolist() == sorted(tested)
    assert posed.events is not None
    assert np.array_equal(data.item_index[posed.events], posed.relevant.items)


def test_nobody_to_test_is_an_empty_task() -> None:
    posed = task(dataset([(0, 0, TRAIN)], 2), TEST)
    result = evaluate_model(Told([[1, 2]]), torch.zeros(2, 1), posed, (10,))
    assert result.recommended.shape == (0, 2)
    assert all(values.shape == (0,) for values in result.per_user.values())


@pytest.mark.parametrize("hide_history", [True, False])
def test_hidden_or_ranked_the_history_is_what_the_model_knows(hide_history: bool) -> None:
    posed = task(DATA, TEST, hide_history=hide_history)
    assert posed.histories[1].tolist() == [1, 0]
    assert posed.histories.user_index is not None
    assert posed.histories.user_index.tolist() == [0, 2]
