"""The batches of LEARN's dense all-action objective: a cut, then two-stage sampling."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.training.config import AllAction, Cut
from towerflow.training.examples import share

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AllActionBatch:
    """Users with a history and targets; row i of both belongs to the same user.

    Attributes:
        histories: what the user tower reads.
        sources: tokens of `histories` that take part in pairs.
        targets: what the item tower reads.
        chosen: tokens of `targets` that take part in pairs.
    """

    histories: ItemLists
    sources: IntArray
    targets: ItemLists
    chosen: IntArray

    def share(self, rank: int, num_ranks: int) -> "AllActionBatch":
        """One of `num_ranks` parts, by users."""
        histories, sources, _ = share(self.histories, self.sources, rank, num_ranks)
        targets, chosen, _ = share(self.targets, self.chosen, rank, num_ranks)
        return AllActionBatch(histories, sources, targets, chosen)

    def num_pairs(self) -> int:
        """Pairs of a position and a target of the same user."""
        counts = [
            np.bincount(lists.rows()[tokens], minlength=len(lists))
            for lists, tokens in ((self.histories, self.sources), (self.targets, self.chosen))
        ]
        return int((counts[0] * counts[1]).sum())


def all_action_batches(
    objective: AllAction,
    histories: ItemLists,
    times: Floats,
    max_history: int,
    batch_size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[AllActionBatch, float]]:
    """One pass over the users with something on both sides of the cut, in random order.

    Each batch comes with the share of the pass at its middle.

    Args:
        objective: how to cut and sample.
        histories: training items of each user, oldest first.
        times: `[num_events]` timestamp of each.
        max_history: stage 1's most items of a history, H.
        batch_size: users.
        rng: of cuts, order and sampling.
    """
    is_target = after_cut(objective, histories, times, rng)
    before, after = histories.where(~is_target), histories.where(is_target)
    users = rng.permutation(np.flatnonzero((before.lengths > 0) & (after.lengths > 0)))
    for start in range(0, len(users), batch_size):
        chosen = users[start : start + batch_size]
        read = sample_uniform(before.take(chosen), max_history, rng)
        targets = sample_uniform(after.take(chosen), objective.max_targets, rng)
        sources = sample_recent(read, objective.num_positions, objective, rng)
        picked = sample_recent(targets, objective.num_targets, objective, rng)
        done = (start + len(chosen) / 2) / len(users)
        yield AllActionBatch(read, sources, targets, picked), done


def after_cut(
    objective: AllAction, histories: ItemLists, times: Floats, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """`[num_events]` whether each lies after the cut."""
    if objective.cut is Cut.TIMESTAMP:
        cut = np.quantile(times, 1 - objective.target_share, method="lower")
        after: NDArray[np.bool_] = times > cut
        return after
    # Between two items, each place alike; a single item is history.
    lengths = histories.lengths
    first = 1 + (rng.random(len(lengths)) * (lengths - 1)).astype(np.int64)
    return np.arange(len(histories.items)) - np.repeat(histories.offsets[:-1] + first, lengths) >= 0


def sample_uniform(lists: ItemLists, most: int, rng: np.random.Generator) -> ItemLists:
    """Stage 1: at most `most` items of each list, drawn uniformly, in their order."""
    order = np.lexsort((rng.random(len(lists.items)), lists.rows()))
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.repeat(lists.offsets[:-1], lists.lengths)
    return lists.where(place < most)


def sample_recent(
    lists: ItemLists, most: int, objective: AllAction, rng: np.random.Generator
) -> IntArray:
    """Stage 2: at most `most` tokens of each list, drawn by `recency_weights`, none twice.

    Exponential races: the tokens with the least e_i / w_i, e_i ~ Exp(1), are a draw without
    replacement (Efraimidis and Spirakis 2006).
    """
    weights = np.concatenate(
        [recency_weights(int(length), objective.alpha, objective.beta) for length in lists.lengths]
    )
    race = rng.exponential(size=len(lists.items)) / weights
    order = np.lexsort((race, lists.rows()))
    place = np.arange(len(order)) - np.repeat(lists.offsets[:-1], lists.lengths)
    return np.sort(order[place < most])


def recency_weights(length: int, alpha: float, beta: float) -> Floats:
    """`w_i = log(α + i (β − α) / (N − 1)) / max w`, i = 0 for the oldest of N = `length`.

    >>> recency_weights(3, alpha=10, beta=10_000).round(3)  # log 10, log 5005 and log 10000
    array([0.25 , 0.925, 1.   ])
    """
    weights = np.log(alpha + np.arange(length) * (beta - alpha) / max(1, length - 1))
    scaled: Floats = weights / weights.max()
    return scaled
