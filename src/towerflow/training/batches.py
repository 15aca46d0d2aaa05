"""Training windows: every interaction of every user is learnt from once per epoch."""

from collections.abc import Iterator

import numpy as np

from towerflow.interactions.histories import IntArray, ItemLists


def cut_windows(histories: ItemLists, length: int, rng: np.random.Generator) -> ItemLists:
    """Cut each user's items into runs of at most `length` + 1, from a random start per user.

    Neighbouring runs share one item: the last target of one is the first input of the next, so no
    step from an item to the next is lost. Users with a single item have no such step.
    """
    runs = []
    for user in range(len(histories)):
        items = histories[user]
        if len(items) < 2:
            continue
        start = int(rng.integers(1, min(length, len(items) - 1) + 1)) - length
        while start < len(items) - 1:
            runs.append(items[max(start, 0) : start + length + 1])
            start += length
    return ItemLists.from_lists(runs)


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
