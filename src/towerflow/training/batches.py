"""Training windows: every interaction of every user is learnt from once per epoch."""

from collections.abc import Iterator

import numpy as np

from towerflow.interactions.histories import IntArray, ItemLists


def num_windows(histories: ItemLists, length: int) -> int:
    """How many windows `cut_windows` makes."""
    return int(_runs_per_user(histories, length).sum())


def cut_windows(histories: ItemLists, length: int, rng: np.random.Generator) -> ItemLists:
    """Cut each user's items into as few runs of at most `length` + 1 as there can be.

    Neighbouring runs share one item: the last target of one is the first input of the next, so no
    step from an item to the next is lost. Users with a single item have no such step. What a
    long history lacks to fill its runs is taken from the first and the last, at random.
    """
    runs = []
    counts = _runs_per_user(histories, length)
    for user in np.flatnonzero(counts):
        items = histories[int(user)]
        slack = int(counts[user]) * length - (len(items) - 1)
        first = -int(rng.integers(slack + 1))
        for start in range(first, len(items) - 1, length):
            runs.append(items[max(start, 0) : start + length + 1])
    return ItemLists.from_lists(runs)


def _runs_per_user(histories: ItemLists, length: int) -> IntArray:
    steps = (histories.lengths - 1).clip(min=0)
    runs: IntArray = -(-steps // length)
    return runs


def batches(
    histories: ItemLists, length: int, batch_size: int, rng: np.random.Generator
) -> Iterator[IntArray]:
    """Yield matrices `[≤ batch_size, ≤ length + 1]` of item indices, right-padded with -1.

    Windows of like length share a batch, so that little is computed for padding; the order of
    the batches is random.
    """
    windows = cut_windows(histories, length, rng)
    # A random tie-break mixes the windows of equal length anew each epoch.
    order = np.lexsort((rng.random(len(windows)), windows.lengths))
    groups = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for group in rng.permutation(len(groups)):
        yield windows.take(groups[group]).padded(fill=-1)
