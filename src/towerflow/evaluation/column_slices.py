"""Slices by the values of a column that `preprocess` was asked to carry along."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray

Column = Sequence[str | None]
Found = tuple[str, str, NDArray[np.bool_]]  # name, description, which are in it

MOST_VALUES: Final = 8  # of a column that are shown one by one
QUARTERS: Final = ("lowest", "lower", "higher", "highest")


def column_slices(
    data: Dataset, items: IntArray, events: IntArray, taken: Collection[str]
) -> Iterator[Found]:
    """Of all carried columns.

    A column of both sources, or called as one of `taken`, is told by its source: `item country`.

    Args:
        data: the Dataset.
        items: `[num_relevant]` item indices.
        events: `[num_relevant]` rows of the interactions.
        taken: groups that there are already.
    """
    sources = (
        ("item", data.item_columns, items, data.event_columns),
        ("interaction", data.event_columns, events, data.item_columns),
    )
    for source, columns, rows, others in sources:
        for column, cells in columns.items():
            name = f"{source} {column}" if column in {*others, *taken} else column
            values = [cells[row] for row in rows]
            numbers = _numbers(values)
            if numbers is not None:
                yield from _quarters(name, numbers)
            else:
                yield from _by_value(name, values)


def _numbers(values: Column) -> NDArray[np.float64] | None:
    """The column as numbers, NaN where it is empty, if they are many different ones."""
    if len({value for value in values if value is not None}) <= MOST_VALUES:
        return None
    try:
        given = [float(value) for value in values if value is not None]
    except ValueError:
        return None
    if not np.isfinite(given).all():
        return None
    return np.array([np.nan if value is None else float(value) for value in values])


def _quarters(name: str, numbers: NDArray[np.float64]) -> Iterator[Found]:
    """Four parts of about equal size; equal numbers stay together."""
    bounds = np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1])
    low = -np.inf
    for quarter, high in zip(QUARTERS, bounds[1:], strict=True):
        keep = (low < numbers) & (numbers <= high)
        described = (
            f"up to {high:.12g}" if low == -np.inf else f"above {low:.12g}, up to {high:.12g}"
        )
        yield f"{name}: {quarter}", described, keep
        low = high
    yield f"{name}: (empty)", "no value", np.isnan(numbers)


def _by_value(name: str, values: Column) -> Iterator[Found]:
    """The most frequent values, then all others, then none."""
    counts = Counter(value for value in values if value is not None)
    # By number, then by name: the same whatever the order of the rows.
    shown = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES]
    place = {value: number for number, value in enumerate(shown)}
    others, empty = len(shown), len(shown) + 1
    of = np.array([empty if value is None else place.get(value, others) for value in values])
    for value, number in place.items():
        shown_as = f"'{value}'" if value.startswith(("(", "'")) else value  # (others) is a name
        yield f"{name}: {shown_as}", f"{name} is {value}", of == number
    yield f"{name}: (others)", f"other values: {len(counts) - len(shown)}", of == others
    yield f"{name}: (empty)", "no value", of == empty
