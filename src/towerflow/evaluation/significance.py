"""Whether a difference between two models could be chance."""

import math
from typing import Final

import numpy as np

from towerflow.evaluation.metrics import Floats

NUM_FLIPS: Final = 10_000
MOST_DISTINCT: Final = 4_096  # differences; beyond, the limit of many flips is taken
DIGITS: Final = 12  # values closer than this are one: rounding errors of means
_DRAWN_AT_ONCE: Final = 2**20  # bounds the memory, not the result


def sign_flip_test(differences: Floats, seed: int = 0, num_flips: int = NUM_FLIPS) -> float:
    """Two-sided p-value of a paired permutation test on the mean of `differences`.

    If two models were equally good, each user's difference could as well have the other sign.
    The p-value is the share of `num_flips` random choices of signs whose mean is at least as far
    from zero as the one that was found, which counts as one of them (Smucker et al., CIKM 2007).

    Args:
        differences: `[num_users]`, one model's metric minus the other's, user by user.
        seed: of the signs.
        num_flips: how many choices of signs.

    Returns:
        Between `1 / (num_flips + 1)` and 1, or less for thousands of different differences; 1 if no
        user differs.
    """
    rounded = differences.round(DIGITS)
    # Users with equal sizes are drawn together: how many of them are positive is binomial.
    sizes, counts = np.unique(np.abs(rounded), return_counts=True)
    found = abs(float(rounded.sum()))
    if len(sizes) > MOST_DISTINCT:
        # So many users that their sum is normal, of variance Σd²: to a hair what flips would give.
        return math.erfc(found / math.sqrt(2 * float(sizes**2 @ counts)))
    generator = np.random.default_rng(seed)
    tolerance = 1e-9 * float(sizes @ counts)
    at_once = max(1, _DRAWN_AT_ONCE // max(1, len(sizes)))
    extreme = 1
    for start in range(0, num_flips, at_once):
        shape = (min(at_once, num_flips - start), len(sizes))
        positive = generator.binomial(counts, 0.5, size=shape)
        sums = (2 * positive - counts) @ sizes
        extreme += int(np.count_nonzero(np.abs(sums) >= found - tolerance))
    return extreme / (num_flips + 1)
