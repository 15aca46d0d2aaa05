"""All-action batches: a user's history and targets side by side, either side of the cut."""

import itertools
from collections import Counter

import numpy as np
import pytest

from towerflow.interactions.histories import ItemLists
from towerflow.training.all_action import AllActionBatch, all_action_batches
from towerflow.training.config import AllAction, Cut

BASE = 100  # user u's items are u * BASE, u * BASE + 1, …: an item tells its user and its place
LENGTHS = [6, 0, 1, 9, 2, 5, 7, 3, 8]
HISTORIES = ItemLists.from_lists(
    [[user * BASE + place for place in range(count)] for user, count in enumerate(LENGTHS)]
)
# Everybody comes at 0 and takes an item a day; the cut falls after day 4.
DAYS = np.concatenate([np.arange(float(count)) for count in LENGTHS])
SHARE = float(np.mean(DAYS > 4))
SMALL = AllAction(target_share=SHARE, max_targets=3, num_positions=2, num_targets=2)
Pair = tuple[int, int]


def one_pass(
    objective: AllAction, *, max_history: int = 4, batch_size: int = 2, seed: int = 0
) -> list[tuple[AllActionBatch, float]]:
    rng = np.random.default_rng(seed)
    return list(all_action_batches(objective, HISTORIES, DAYS, max_history, batch_size, rng))


def pairs(batch: AllActionBatch) -> list[Pair]:
    """Each chosen position with each chosen target of the same row, by a plain loop."""
    found = []
    for source, target in itertools.product(batch.sources.tolist(), batch.chosen.tolist()):
        if batch.histories.rows()[source] == batch.targets.rows()[target]:
            found.append((int(batch.histories.items[source]), int(batch.targets.items[target])))
    return found


@pytest.mark.parametrize("cut", list(Cut))
def test_both_sides_of_a_row_are_of_one_user_and_the_targets_come_later(cut: Cut) -> None:
    for batch, _ in one_pass(SMALL.model_copy(update={"cut": cut})):
        assert len(batch.histories) == len(batch.targets)
        for row in range(len(batch.histories)):
            history, targets = batch.histories[row].tolist(), batch.targets[row].tolist()
            assert len({item // BASE for item in history + targets}) == 1
            assert max(history) < min(targets)
            assert history == sorted(history)
            assert targets == sorted(targets)


def test_no_target_lies_before_the_timestamp_and_no_history_after_it() -> None:
    for batch, _ in one_pass(SMALL):
        assert (batch.targets.items % BASE > 4).all()
        assert (batch.histories.items % BASE <= 4).all()


@pytest.mark.parametrize(
    ("cut", "users"), [(Cut.TIMESTAMP, [0, 3, 6, 8]), (Cut.RANDOM, [0, 3, 4, 5, 6, 7, 8])]
)
def test_users_without_both_sides_are_left_out_and_the_others_come_once(
    cut: Cut, users: list[int]
) -> None:
    found = [
        int(batch.histories[row][0]) // BASE
        for batch, _ in one_pass(SMALL.model_copy(update={"cut": cut}))
        for row in range(len(batch.histories))
    ]
    assert sorted(found) == users


def test_stage_one_bounds_what_is_read_and_stage_two_what_is_paired() -> None:
    for batch, _ in one_pass(SMALL, max_history=4):
        for row in range(len(batch.histories)):
            user = int(batch.histories[row][0]) // BASE
            assert len(batch.histories[row]) == min(4, 5)
            assert len(batch.targets[row]) == min(3, LENGTHS[user] - 5)
            assert np.sum(batch.histories.rows()[batch.sources] == row) == 2
            chosen = np.sum(batch.targets.rows()[batch.chosen] == row)
            assert chosen == min(2, LENGTHS[user] - 5)


def test_pairs_are_counted_as_a_loop_counts_them() -> None:
    for batch, _ in one_pass(SMALL, batch_size=3):
        assert batch.num_pairs() == len(pairs(batch)) > 0


def test_the_share_of_the_pass_is_that_at_the_middle_of_the_batch() -> None:
    assert [done for _, done in one_pass(SMALL, batch_size=1)] == [0.125, 0.375, 0.625, 0.875]
    assert [done for _, done in one_pass(SMALL, batch_size=3)] == [0.375, 0.875]


def test_a_pass_repeats_under_its_seed_and_differs_under_another() -> None:
    first, again, other = (
        [pairs(batch) for batch, _ in one_pass(SMALL, seed=seed)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_users_come_in_any_order() -> None:
    orders = {
        tuple(int(batch.histories[0][0]) // BASE for batch, _ in passed)
        for passed in (one_pass(SMALL, batch_size=1, seed=seed) for seed in range(200))
    }
    assert orders == set(itertools.permutations([0, 3, 6, 8]))


def test_a_log_where_nobody_has_both_sides_is_no_batch() -> None:
    at_once = np.zeros(len(DAYS))
    rng = np.random.default_rng(0)
    assert list(all_action_batches(SMALL, HISTORIES, at_once, 4, 2, rng)) == []


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 9])
def test_the_parts_of_all_ranks_have_the_pairs_of_the_batch_exactly_once(num_ranks: int) -> None:
    [(batch, _)] = one_pass(SMALL.model_copy(update={"cut": Cut.RANDOM}), batch_size=50)
    parts = [batch.share(rank, num_ranks) for rank in range(num_ranks)]
    assert Counter(pair for part in parts for pair in pairs(part)) == Counter(pairs(batch))
    assert sum(part.num_pairs() for part in parts) == batch.num_pairs()
    assert all(len(part.histories) == len(part.targets) > 0 for part in parts)
