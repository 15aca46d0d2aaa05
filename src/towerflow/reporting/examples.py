"""Test users to look at: what they did, what they were offered, what they did next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from towerflow.evaluation.assessment import HeldOut, Judged
from towerflow.evaluation.protocol import Result
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray
from towerflow.retrieval.topk import NO_ITEM

NUM_EXAMPLES: Final = 3  # of each kind
SHOWN_ITEMS: Final = 10
LONGEST: Final = 80  # characters of a title


@dataclass(frozen=True)
class Title:
    """An item's title.

    Attributes:
        text: at most LONGEST characters.
        whole: all of it, if `text` is not; else empty.
        found: whether it is what came next, in a list of recommendations.
    """

    text: str
    whole: str = ""
    found: bool = False


@dataclass(frozen=True)
class Example:
    """One test user.

    Attributes:
        user_id: who.
        outcome: what became of the next items, in words.
        history: newest first, the first SHOWN_ITEMS.
        earlier: how many more there are.
        recommended: in the order of ranks, which begin at 1.
        next_items: what was to be found.
        more: how many more of these there are.
    """

    user_id: str
    outcome: str
    history: list[Title]
    earlier: int
    recommended: list[Title]
    next_items: list[Title]
    more: int


def examples(test: HeldOut, judged: Judged, *, hit: bool) -> list[Example]:
    """Users whose next items are (or aren't) among the first ten, evenly spread over all such."""
    found = judged.result.per_user[f"recall@{SHOWN_ITEMS}"] > 0
    rows = np.flatnonzero(found == hit)
    places = np.linspace(0, len(rows) - 1, min(NUM_EXAMPLES, len(rows))).round().astype(int)
    return [_example(test, judged.result, int(row)) for row in rows[places]]


def _example(test: HeldOut, result: Result, row: int) -> Example:
    data, task = test.data, test.task
    relevant, history = task.relevant[row], task.histories[row][::-1]
    ranked = result.recommended[row]
    top = ranked[:SHOWN_ITEMS]
    return Example(
        user_id=data.user_ids[task.users[row]],
        outcome=_outcome(ranked, relevant),
        history=list(_titles(data, history[:SHOWN_ITEMS])),
        earlier=max(0, len(history) - SHOWN_ITEMS),
        recommended=list(_titles(data, top[top != NO_ITEM], set(relevant.tolist()))),
        next_items=list(_titles(data, relevant[:SHOWN_ITEMS])),
        more=max(0, len(relevant) - SHOWN_ITEMS),
    )


def _outcome(ranked: IntArray, relevant: IntArray) -> str:
    """At which ranks the next items stand."""
    ranks = np.flatnonzero(np.isin(ranked, relevant)) + 1
    depth = int(np.count_nonzero(ranked != NO_ITEM))
    if not depth:
        return "nothing is recommended"
    if not len(ranks):
        return f"not among the first {depth}"
    shown = ", ".join(map(str, ranks[:SHOWN_ITEMS].tolist()))
    shown += ", …" if len(ranks) > SHOWN_ITEMS else ""
    if len(relevant) == 1:
        return f"found at rank {shown}"
    return f"{len(ranks)} of {len(relevant)} found, at rank{'s' * (len(ranks) > 1)} {shown}"


def _titles(data: Dataset, items: IntArray, found: set[int] | None = None) -> Iterator[Title]:
    for item in items.tolist():
        whole = data.titles[item] or data.item_ids[item]
        is_found = item in (found or ())
        if len(whole) <= LONGEST:
            yield Title(whole, found=is_found)
        else:
            yield Title(f"{whole[: LONGEST - 1].rstrip()}…", whole, is_found)
