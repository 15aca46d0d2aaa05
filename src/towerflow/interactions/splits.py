"""Which interaction may teach, which may choose, which may judge.

Every event gets exactly one label, so no event can be both learnt from and judged by. Events come
sorted by user, time and tie-break; `tie` is a pseudo-random number per event (`event_hash`).
"""

from enum import StrEnum
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from towerflow.interactions.hashing import UnsignedArray, mix
from towerflow.interactions.histories import IntArray
from towerflow.schema import Split

TRAIN, VALIDATION, TEST = range(3)
LABELS: Final = (Split.TRAIN.value, Split.VALIDATION.value, Split.TEST.value)
MIN_TO_SPARE: Final = 3  # with fewer events nothing is left to learn from
LabelArray = NDArray[np.int8]


class SplitKind(StrEnum):
    """How interactions are told apart."""

    TEMPORAL = "temporal-leave-one-out"
    RANDOM = "random-leave-one-out"
    GLOBAL_TIME = "global-time"
    NEW_ITEMS = "new-items"


class FewShot(StrEnum):
    """What is taken away from training, to see how a model does with little."""

    NONE = "none"
    SINGLE = "single"
    HALF = "half"


class SplitConfig(BaseModel):
    """How the Dataset is split; contradictions with the data are found while splitting."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: SplitKind = Field(default=SplitKind.TEMPORAL, description="The rule.")
    share: Annotated[
        float,
        Field(
            gt=0,
            lt=0.5,
            description="Of events (global-time) or items (new-items), each for "
            "validation and for test.",
        ),
    ] = 0.1
    few_shot: FewShot = Field(default=FewShot.NONE, description="Training events taken away.")
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Of all that is random here.")] = 0


def event_hash(user_hash: UnsignedArray, item_hash: UnsignedArray) -> UnsignedArray:
    """`[num_events]` pseudo-random number that depends on the event's user_id and item_id alone.

    Equal timestamps are common (a tenth of Amazon users have everything on one day), so order
    among them must come from somewhere. File order would change with sharding; order of item ids
    would be the same for every user, a pattern that a sequence model learns and is then paid for
    in the test. This order is repeatable and carries nothing.
    """
    return mix(user_hash + item_hash)


def seeded(hashes: UnsignedArray, seed: int) -> UnsignedArray:
    """Other pseudo-random numbers for the same events or items."""
    return mix(hashes + mix(np.array([seed + 1], dtype=np.uint64)))


def temporal_leave_one_out(user: IntArray) -> LabelArray:
    """A user's last event is TEST, the one before VALIDATION, all earlier TRAIN.

    Users with fewer than three events have nothing to spare: all of theirs are TRAIN.
    """
    return _leave_out(user, np.arange(len(user), dtype=np.uint64))


def random_leave_one_out(user: IntArray, tie: UnsignedArray, seed: int) -> LabelArray:
    """As above with two events of each user drawn at random: LLMInit's protocol.

    What a user did later helps to tell what came before, so results are too good to be true.
    """
    return _leave_out(user, seeded(tie, seed))


def global_time(timestamp: NDArray[np.float64], validation: float, test: float) -> LabelArray:
    """TEST from the time `test` on, VALIDATION from `validation` on, TRAIN before both."""
    return ((timestamp >= validation).astype(np.int8) + (timestamp >= test)).astype(np.int8)


def new_items(item: IntArray, item_labels: LabelArray) -> LabelArray:
    """All events of an item have the item's label: what is tested was never trained on."""
    labels: LabelArray = item_labels[item]
    return labels


def label_items(item_hash: UnsignedArray, share: float, seed: int) -> LabelArray:
    """`[num_items]` TEST and VALIDATION for `share` of the items each, by hash; TRAIN for most."""
    place = seeded(item_hash, seed) / 2.0**64
    return ((place < 2 * share).astype(np.int8) + (place < share)).astype(np.int8)


def keep_few(
    user: IntArray, labels: LabelArray, tie: UnsignedArray, few: FewShot, seed: int
) -> NDArray[np.bool_]:
    """Mask that takes away training events: all but one of each user, or half, at random."""
    keep = np.ones(len(user), dtype=bool)
    train = np.flatnonzero(labels == TRAIN)
    if few is FewShot.NONE or not len(train):
        return keep
    owner = user[train]
    order = np.lexsort((seeded(tie[train], seed + 1), owner))
    counts = np.bincount(owner)[owner]  # sorted by user, so the order within does not matter
    place = np.arange(len(train)) - np.searchsorted(owner, owner)
    wanted = np.ones(len(train), dtype=np.int64) if few is FewShot.SINGLE else (counts + 1) // 2
    keep[train[order[place >= wanted]]] = False
    return keep


def _leave_out(user: IntArray, rank: UnsignedArray) -> LabelArray:
    """Per user the event of the highest `rank` is TEST, that of the second VALIDATION."""
    labels = np.full(len(user), TRAIN, dtype=np.int8)
    if len(user):
        order = np.lexsort((rank, user))
        from_end = np.searchsorted(user, user, side="right") - 1 - np.arange(len(user))
        spare = np.bincount(user)[user] >= MIN_TO_SPARE
        labels[order[spare & (from_end == 0)]] = TEST
        labels[order[spare & (from_end == 1)]] = VALIDATION
    return labels
