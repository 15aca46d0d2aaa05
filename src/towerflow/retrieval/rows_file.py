"""Matrices of float32 on disk, mapped: a row for each item or user."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from towerflow.errors import InputError

Floats = NDArray[np.float32]
LONGEST_HEADER: Final = 2**16  # bytes before the numbers


def open_rows(path: Path) -> Floats:
    """`[num_rows, width]`, read when it is asked for. No pickle and no archive is understood.

    Raises:
        InputError: it is not there, or no such matrix of just that size.
    """
    try:
        rows: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
        size = path.stat().st_size
    # A header may name any shape, as 10 ** 40 or True: each fails in a way of its own.
    except (OSError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        found = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(path, expected="rows of float32", found=found) from error
    is_matrix = rows.ndim == 2 and rows.dtype == np.float32 and rows.flags.c_contiguous
    if not is_matrix or not rows.shape[1] or not 0 < size - rows.nbytes <= LONGEST_HEADER:
        raise InputError(
            path, expected="rows of float32", found=f"{rows.dtype} of shape {rows.shape}"
        )
    return rows
