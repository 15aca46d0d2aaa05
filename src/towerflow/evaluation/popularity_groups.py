"""Items by how often they were trained on: new, tail, torso, head."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from towerflow.interactions.histories import IntArray

GROUPS: Final = ("new", "tail", "torso", "head")


@dataclass(frozen=True)
class PopularityGroups:
    """Which group each item is in.

    New items were never trained on. The others are put in the order of their popularity and cut so
    that tail, torso and head have a third of all training interactions each, or nearly so: items
    of equal popularity stay together.

    Attributes:
        group: `[num_items]` place in GROUPS.
        descriptions: what each group holds, in words.
    """

    group: IntArray
    descriptions: tuple[str, ...]

    @classmethod
    def of(cls, popularity: IntArray) -> Self:
        """From `[num_items]` users who took each in training."""
        levels, counts = np.unique(popularity[popularity > 0], return_counts=True)
        before = np.cumsum(levels * counts) - levels * counts
        # A level belongs where the middle of its interactions lies.
        middle = before + levels * counts / 2
        third = np.minimum(3 * middle // max(1, int((levels * counts).sum())), 2).astype(np.int64)
        group = np.zeros(len(popularity), dtype=np.int64)
        known = np.searchsorted(levels, popularity[popularity > 0])
        group[popularity > 0] = 1 + third[known]
        described = [_described(levels[third == place]) for place in range(3)]
        return cls(group, ("never in training", *described))


class Exposure(BaseModel):
    """What share of everything one group of items has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str = Field(description="new, tail, torso or head.")
    description: str = Field(description="What that means here.")
    items: int = Field(description="Items in it.")
    trained: float = Field(description="Share of what was taken in training.")
    taken: float = Field(description="Share of what was taken in the test.")
    recommended: float = Field(description="Share of all places in the model's lists of 10.")


def exposures(
    groups: PopularityGroups, popularity: IntArray, taken: IntArray, shown: IntArray
) -> list[Exposure]:
    """The groups that have items.

    Args:
        groups: of the items.
        popularity: `[num_items]` users who took each in training.
        taken: `[num_items]` how often each is to be found in the test.
        shown: `[num_items]` how often each is recommended.
    """
    sizes = np.bincount(groups.group, minlength=len(GROUPS))
    shares = [_shares(groups.group, weights) for weights in (popularity, taken, shown)]
    return [
        Exposure(
            group=name,
            description=groups.descriptions[place],
            items=int(sizes[place]),
            trained=float(shares[0][place]),
            taken=float(shares[1][place]),
            recommended=float(shares[2][place]),
        )
        for place, name in enumerate(GROUPS)
        if sizes[place]
    ]


def _shares(group: IntArray, weights: IntArray) -> NDArray[np.float64]:
    sums = np.bincount(group, weights, minlength=len(GROUPS))
    shares: NDArray[np.float64] = sums / max(1.0, sums.sum())
    return shares


def _described(levels: IntArray) -> str:
    if not len(levels):
        return "none"
    low, high = int(levels[0]), int(levels[-1])
    return f"taken by {low} in training" if low == high else f"taken by {low} to {high} in training"
