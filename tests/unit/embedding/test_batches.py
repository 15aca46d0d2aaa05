"""Batches part the texts within the budget; the budget finds the largest that pays and fits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.embedding.batches import (
    CPU_STATES,
    GPU_TOKENS,
    MIN_TOKENS,
    BatchBudget,
    next_batch,
)


def bounds(lengths: list[int], budget: int, *, is_packed: bool) -> list[int]:
    """Where each batch begins, and the end."""
    found = [0]
    while found[-1] < len(lengths):
        found.append(next_batch(lengths, found[-1], budget, is_packed=is_packed))
    return found


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    budget=st.integers(1, 1000),
    is_packed=st.booleans(),
)
def test_batches_part_the_texts_within_the_budget(
    lengths: list[int], budget: int, is_packed: bool
) -> None:
    lengths.sort(reverse=True)
    for start, stop in pairwise(bounds(lengths, budget, is_packed=is_packed)):
        batch = lengths[start:stop]
        room = sum(batch) if is_packed else batch[0] * len(batch)
        assert len(batch) == 1 or room <= budget
        if stop < len(lengths):
            assert room + (lengths[stop] if is_packed else batch[0]) > budget, "there was room"


def test_a_batch_depends_only_on_the_texts_from_its_first_on() -> None:
    """So that a run which goes on after a kill has the batches of one that was not killed."""
    lengths = [9, 7, 6, 5, 5, 3, 2, 2, 1]
    whole = bounds(lengths, 12, is_packed=True)
    assert whole == [0, 1, 2, 4, 8, 9]
    assert [2 + stop for stop in bounds(lengths[2:], 12, is_packed=True)] == whole[2:]


def test_on_a_cpu_the_budget_stays() -> None:
    budget = BatchBudget.of("cpu", 576)
    for _ in range(3):
        budget.succeeded(budget.tokens, 0.001)
    assert budget.tokens == CPU_STATES // 576
    assert BatchBudget.of("cpu", 8192).tokens == MIN_TOKENS


def test_on_a_gpu_it_doubles_while_that_pays() -> None:
    budget = BatchBudget.of("cuda:0", 576)
    for seconds in (1.0, 1.5, 2.9):  # rates GPU_TOKENS · 1, 1.33, 1.38: the last step is too small
        budget.succeeded(budget.tokens, seconds)
    assert budget.tokens == 2 * GPU_TOKENS
    budget.succeeded(budget.tokens, 0.001)
    assert budget.tokens == 2 * GPU_TOKENS, "found is found"


def test_a_batch_that_is_not_full_tells_nothing() -> None:
    budget = BatchBudget(100, grows=True)
    budget.succeeded(10, 0.001)
    assert budget.tokens == 100


@pytest.mark.parametrize("grows", [True, False])
def test_it_halves_when_memory_runs_out_and_grows_no_more(grows: bool) -> None:
    budget = BatchBudget(100, grows=grows)
    budget.ran_out(96)
    budget.succeeded(48, 0.001)
    assert budget.tokens == 48
    for _ in range(9):
        budget.ran_out(budget.tokens)
    assert budget.tokens == 1
