"""How far a mean over users could be off: bootstrap intervals."""

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from towerflow.evaluation.metrics import Floats
from towerflow.evaluation.significance import DIGITS, sign_flip_test

NUM_RESAMPLES: Final = 2_000
LEVEL: Final = 0.95
SIGNIFICANT: Final = 0.05
MOST_DISTINCT: Final = 4_096  # beyond, groups of users are drawn in place of users


class Interval(BaseModel):
    """Where the mean lies with 95 % confidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float

    @classmethod
    def of(cls, values: Floats, seed: int = 0) -> Self:
        """Percentile bootstrap over users (Efron and Tibshirani 1993).

        Args:
            values: `[num_users]`, at least one.
            seed: of the resampling.
        """
        low, high = _quantiles(resampled_means(values.reshape(-1, 1), seed)[:, 0])
        return cls(low=low, high=high)


class Change(BaseModel):
    """One model against another on the same users, relative to the other's mean: .1 is 10 % more.

    All but `p_value` are null where the other's mean is 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: float | None
    low: float | None = Field(description="Lower end of the 95 % interval of `change`.")
    high: float | None = Field(description="Upper end.")
    p_value: float = Field(description="Of a paired two-sided sign-flip test over users.")

    @classmethod
    def of(cls, values: Floats, others: Floats, seed: int = 0) -> Self:
        """From the metric of both models, `[num_users]` each, user by user."""
        p_value = sign_flip_test(values - others, seed)
        base = float(others.mean())
        if not base:
            return cls(change=None, low=None, high=None, p_value=p_value)
        means = resampled_means(np.stack([values, others], axis=1), seed)
        # A resample that the other gets nothing right in says that there is too little to tell.
        ratios = np.divide(
            means[:, 0], means[:, 1], out=np.full(len(means), np.nan), where=means[:, 1] > 0
        )
        low, high = _quantiles(ratios[~np.isnan(ratios)])
        change = float(values.mean()) / base - 1
        return cls(change=change, low=low - 1, high=high - 1, p_value=p_value)

    # Both are asked for: of a few hits, the interval of a quotient is too narrow.
    @property
    def is_better(self) -> bool:
        """Whether that much is shown; against a model that finds nothing, too."""
        return (self.low is None or self.low > 0) and self.p_value < SIGNIFICANT

    @property
    def is_worse(self) -> bool:
        """Whether that much is shown."""
        return self.high is not None and self.high < 0 and self.p_value < SIGNIFICANT


def resampled_means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """`[NUM_RESAMPLES, width]` means of `values` `[num_users, width]` over users drawn anew.

    Users with equal values are drawn together: how many of them are drawn is multinomial. Of very
    many different values, random groups of users are drawn, which costs the same for any number.
    """
    generator = np.random.default_rng(seed)
    rows, counts = np.unique(values.round(DIGITS), axis=0, return_counts=True)
    if len(rows) <= MOST_DISTINCT:
        drawn = generator.multinomial(len(values), counts / len(values), size=NUM_RESAMPLES)
        means: NDArray[np.float64] = drawn @ rows / len(values)
        return means
    group = generator.permutation(len(values)) % MOST_DISTINCT
    sums = np.stack([np.bincount(group, column) for column in values.T], axis=1)
    drawn = generator.multinomial(
        MOST_DISTINCT, np.full(MOST_DISTINCT, 1 / MOST_DISTINCT), size=NUM_RESAMPLES
    )
    sizes = drawn @ np.bincount(group)
    grouped: NDArray[np.float64] = (drawn @ sums) / sizes[:, None]
    return grouped


def _quantiles(means: Floats) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
