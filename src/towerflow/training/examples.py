"""What a pass over the log teaches, a batch at a time: users are never padded to one matrix."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.training.config import NextItem, OneTarget


@dataclass(frozen=True)
class NextItemBatch:
    """Sequences, and what must be found from where.

    Attributes:
        inputs: what the user tower reads.
        sources: `[num_positions]` the token of `inputs` that each target is to be found from.
        targets: `[num_positions]` item indices.
    """

    inputs: ItemLists
    sources: IntArray
    targets: IntArray

    def share(self, rank: int, num_ranks: int) -> tuple["NextItemBatch", IntArray]:
        """One of `num_ranks` parts, by sequences; and which positions of the whole it has."""
        inputs, sources, kept = share(self.inputs, self.sources, rank, num_ranks)
        return NextItemBatch(inputs, sources, self.targets[kept]), kept


def share(
    lists: ItemLists, tokens: IntArray, rank: int, num_ranks: int
) -> tuple[ItemLists, IntArray, IntArray]:
    """One of `num_ranks` parts of `lists` and of some of their tokens.

    Returns:
        The lists, the tokens counted in them, and which of `tokens` they are. Where there are
        fewer lists than ranks, the last ranks have the first list and none of its tokens.
    """
    if num_ranks == 1:
        return lists, tokens, np.arange(len(tokens))
    if rank >= len(lists):
        nothing = np.empty(0, dtype=np.int64)
        return lists.take(np.zeros(1, dtype=np.int64)), nothing, nothing
    mine = np.arange(rank, len(lists), num_ranks)
    kept = np.isin(lists.rows(), mine)
    which = np.flatnonzero(kept[tokens])
    return lists.take(mine), (np.cumsum(kept) - 1)[tokens[which]], which


def next_item_batches(
    objective: NextItem | OneTarget,
    histories: ItemLists,
    max_history: int,
    batch_size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[NextItemBatch, float]]:
    """One pass, in random order, each batch with the share of the pass at its middle.

    A batch has `batch_size` targets, more or fewer by less than a sequence; the last has the rest.
    """
    if isinstance(objective, OneTarget):
        windows = draw_windows(objective, histories, max_history, rng)
    else:
        windows = cut_windows(histories, max_history, rng)
    windows = windows.take(rng.permutation(len(windows)))
    steps = windows.lengths - 1
    if isinstance(objective, OneTarget):
        steps = np.ones_like(steps)
    group = (np.cumsum(steps) - steps) // batch_size
    for start, end in _runs(group):
        done = (start + end) / 2 / len(windows)
        yield _as_batch(objective, windows.take(np.arange(start, end))), done


def cut_windows(histories: ItemLists, length: int, rng: np.random.Generator) -> ItemLists:
    """Cut each user's items into as few runs of at most `length` + 1 as there can be.

    Neighbouring runs share one item: the last target of one is the first input of the next, so no
    step from an item to the next is lost. Users with a single item have no such step. What a
    long history lacks to fill its runs is taken from the first and the last, at random.
    """
    steps = (histories.lengths - 1).clip(min=0)
    counts = -(-steps // length)
    slack = counts * length - steps
    first = -(rng.random(len(histories)) * (slack + 1)).astype(np.int64)
    user = np.repeat(np.arange(len(histories)), counts)
    number = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = first[user] + number * length
    end = np.minimum(start + length + 1, histories.lengths[user])
    return _slices(histories, user, start.clip(min=0), end)


def draw_windows(
    objective: OneTarget, histories: ItemLists, length: int, rng: np.random.Generator
) -> ItemLists:
    """Of each user that teaches, a target drawn uniformly and at most `length` items before it."""
    lengths = histories.lengths
    most = objective.max_items or int(lengths.max())
    user = np.flatnonzero((lengths >= objective.min_items) & (lengths <= most))
    first = (lengths[user] // 2).clip(min=1) if objective.second_half else np.ones_like(user)
    target = first + (rng.random(len(user)) * (lengths[user] - first)).astype(np.int64)
    return _slices(histories, user, (target - length).clip(min=0), target + 1)


def _slices(histories: ItemLists, user: IntArray, start: IntArray, end: IntArray) -> ItemLists:
    """Items `start` to `end` of each `user`, who may come more than once."""
    begin = histories.offsets[user]
    edges = np.stack([begin + start, begin + end], axis=1).ravel()
    # Every second list lies between two slices.
    return ItemLists(histories.items, edges).take(np.arange(0, 2 * len(user), 2))


def _as_batch(objective: NextItem | OneTarget, windows: ItemLists) -> NextItemBatch:
    newest = windows.positions_from_end() == 0
    inputs = windows.where(~newest)
    targets = windows.items[1:][np.diff(windows.rows()) == 0]
    if isinstance(objective, NextItem):
        return NextItemBatch(inputs, np.arange(len(targets)), targets)
    sources = inputs.offsets[1:] - 1
    return NextItemBatch(inputs, sources, targets[sources])


def _runs(group: IntArray) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each run of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(group)]
    return itertools.pairwise(edges) if len(group) else iter(())
