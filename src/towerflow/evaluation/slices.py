"""Parts of a test: who the users are, what they were to be given, when."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from towerflow.evaluation.column_slices import column_slices
from towerflow.evaluation.metrics import Floats
from towerflow.evaluation.popularity_groups import GROUPS, PopularityGroups
from towerflow.evaluation.protocol import Result, Task, measure
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray
from towerflow.schema import Split

SLICE_CUTOFF: Final = 10
# Each bound is the first value of the next slice.
HISTORIES: Final = (("cold", 0), ("few-shot", 2), ("medium", 6), ("long", 21))
SECONDS_A_DAY: Final = 86_400
PAUSES: Final = (("a day", 1), ("a week", 7), ("a month", 30))  # at most so many days
AS_IF_NEW: Final = "as if new"  # the group of slices that another test gives (`assessment`)
TEXTS: Final = ("none", "short", "medium", "long")
BUILT_IN: Final = {
    "history": tuple(name for name, _ in HISTORIES),
    "popularity": GROUPS,
    "text": TEXTS,
    "pause": (*(f"up to {name}" for name, _ in PAUSES), "longer"),
}
UNIX_SECONDS: Final = (1e8, 1e10)  # 1973 to 2286; 1,000 times as much: milliseconds


@dataclass(frozen=True)
class Slice:
    """Part of what is to be found in a test.

    Attributes:
        name: group and name, as `history: few-shot`.
        description: what that means on this data.
        keep: `[num_relevant]` which of `Task.relevant` it holds.
    """

    name: str
    description: str
    keep: NDArray[np.bool_]


@dataclass(frozen=True)
class SliceResult:
    """One model on one slice.

    Attributes:
        users: `[num_part]` rows of the task that have anything in the slice.
        per_user: `[num_part]` each.
    """

    users: IntArray
    per_user: dict[str, Floats]


def find_slices(data: Dataset, task: Task, groups: PopularityGroups) -> list[Slice]:
    """All slices that hold anything, of a task of `data`."""
    assert task.events is not None, "a task of a Dataset"
    found = [
        *_by_history(task),
        *_by_popularity(task, groups),
        *_by_text(data, task),
        *_by_pause(data, task),
        *(
            Slice(*one)
            for one in column_slices(
                data, task.relevant.items, task.events, taken={*BUILT_IN, AS_IF_NEW}
            )
        ),
    ]
    return list(_by_name(one for one in found if one.keep.any()))


def measure_slice(part: Slice, task: Task, result: Result) -> SliceResult:
    """Metrics with the slice's relevant items alone, of the users that have any."""
    relevant = task.relevant.where(part.keep)
    users = np.flatnonzero(relevant.lengths)
    recommended = result.recommended[users, :SLICE_CUTOFF]
    return SliceResult(users, measure(recommended, relevant.take(users), (SLICE_CUTOFF,)))


def _by_name(found: Iterable[Slice]) -> Iterator[Slice]:
    """The same; where columns and values make one name twice, it is counted."""
    used: set[str] = set()
    for one in found:
        name = next(
            name
            for name in chain([one.name], (f"{one.name} ({number})" for number in count(2)))
            if name not in used
        )
        used.add(name)
        yield replace(one, name=name)


def _by_history(task: Task) -> Iterator[Slice]:
    lengths = np.repeat(task.histories.lengths, task.relevant.lengths)
    ends = [bound for _, bound in HISTORIES[1:]]
    for (name, low), end in zip(HISTORIES, [*ends, None], strict=True):
        if end is None:
            yield Slice(f"history: {name}", f"{low} or more before", lengths >= low)
        else:
            keep = (low <= lengths) & (lengths < end)
            yield Slice(f"history: {name}", f"{low} to {end - 1} before", keep)


def _by_popularity(task: Task, groups: PopularityGroups) -> Iterator[Slice]:
    of_relevant = groups.group[task.relevant.items]
    for place, name in enumerate(GROUPS):
        yield Slice(f"popularity: {name}", groups.descriptions[place], of_relevant == place)


def _by_text(data: Dataset, task: Task) -> Iterator[Slice]:
    """Items without text, and thirds of the catalogue by words of text."""
    words = np.array([len(text.split()) for text in data.texts])
    of_relevant = words[task.relevant.items]
    yield Slice(f"text: {TEXTS[0]}", "nothing to read", of_relevant == 0)
    if not words.any():
        return
    first, second = (int(q) for q in np.quantile(words[words > 0], [1 / 3, 2 / 3]))
    ranges = ((1, first), (first + 1, second), (second + 1, int(words.max())))
    for name, (low, high) in zip(TEXTS[1:], ranges, strict=True):
        keep = (low <= of_relevant) & (of_relevant <= high)
        described = f"{low} to {high}" if low < high else f"{low}"
        yield Slice(f"text: {name}", f"{described} words", keep)


def _by_pause(data: Dataset, task: Task) -> Iterator[Slice]:
    """By the time since the user's last interaction, where timestamps tell it."""
    days = _pauses(data, task)
    if days is None:
        return
    low = 0
    for name, high in PAUSES:
        keep = ((low < days) | ((low == 0) & (days == 0))) & (days <= high)
        yield Slice(f"pause: up to {name}", _days(low, high), keep)
        low = high
    yield Slice("pause: longer", f"more than {PAUSES[-1][1]} days", days > low)


def _days(low: int, high: int) -> str:
    most = f"{high} day{'' if high == 1 else 's'}"
    return f"more than {low}, at most {most}" if low else f"at most {most}"


def _pauses(data: Dataset, task: Task) -> Floats | None:
    """`[num_relevant]` days since the user's last interaction, NaN without one.

    Below 0 where a random split tests what came before that.

    None if timestamps are neither Unix seconds nor milliseconds.
    """
    middle = float(np.median(data.timestamp))
    unit = next((unit for unit in (1, 1000) if _is_between(middle / unit, UNIX_SECONDS)), None)
    if unit is None:
        return None
    before = np.isin(data.split, [Split.TRAIN.value, Split.VALIDATION.value])
    last = np.full(data.num_users, np.nan)
    last[data.user_index[before]] = data.timestamp[before]  # in order of time: the last one stays
    assert task.events is not None, "a task of a Dataset"
    pause = data.timestamp[task.events] - last[data.user_index[task.events]]
    days: Floats = pause / (unit * SECONDS_A_DAY)
    return days


def _is_between(value: float, bounds: Sequence[float]) -> bool:
    return bounds[0] <= value <= bounds[1]
