"""Times of all events, counted, to split at a share of them."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from towerflow.interactions.arrange import COUNT, USER, Rules, events_of, select
from towerflow.interactions.catalogue import read_catalogue
from towerflow.schema import ITEM_INDEX, TIMESTAMP
from towerflow.storage.filesystems import read_parquet

_TOP_BITS: Final = np.uint64(0xFFFFFFFF00000000)


def count_times(path: str, rules: Rules, catalogue: str) -> pa.Table:
    """How many kept events of a shard happened at about which time (see `about`)."""
    table = read_parquet(path, [USER, ITEM_INDEX, TIMESTAMP])
    kept, _ = select(events_of(table), rules, read_catalogue(catalogue).alive)
    times = table[TIMESTAMP].to_numpy()[kept]
    values, counts = np.unique(about(times), return_counts=True)
    return pa.table({TIMESTAMP: values, COUNT: counts})


def about(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times cut to 20 bits of mantissa: a quarter of an hour in Unix seconds of our days.

    Few enough values to count them all exactly, in any order and any number of shards.
    """
    cut: NDArray[np.float64] = (times.view(np.uint64) & _TOP_BITS).view(np.float64)
    return cut + 0.0  # minus zero is zero


def add_times(one: pa.Table, other: pa.Table) -> pa.Table:
    """The counts of two shards' times together."""
    together = pa.concat_tables([one, other]).group_by(TIMESTAMP).aggregate([(COUNT, "sum")])
    return together.rename_columns({f"{COUNT}_sum": COUNT}).sort_by(TIMESTAMP)


def time_bounds(times: pa.Table, share: float) -> tuple[float, float]:
    """Times from which on `share` and, later, twice that of all events are left.

    Args:
        times: of `add_times`.
        share: of events after the later bound.

    Returns:
        Where validation begins and where test begins.
    """
    values, counts = times[TIMESTAMP].to_numpy(), times[COUNT].to_numpy()
    before = np.cumsum(counts) - counts
    wanted = before[-1] + counts[-1]
    starts = [int(np.searchsorted(before, wanted * (1 - part))) for part in (2 * share, share)]
    validation, test = (float(values[min(start, len(values) - 1)]) for start in starts)
    return validation, test
