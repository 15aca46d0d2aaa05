"""What a user tower reads of a history: known where there is no torch, too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reads:
    """Which items of a history change a tower's answer.

    Attributes:
        flag: column of an item's row that is 1 if the item is read, 0 if it's passed over.
        max_history: most recent of those that are read; None: all.
    """

    flag: int
    max_history: int | None
