"""Numbers as people read them."""

import math
from typing import Final, NamedTuple

from towerflow.evaluation.resampling import Change, Interval

NOTHING: Final = "–"
SPACE: Final = "\N{NO-BREAK SPACE}"
MANY_TIMES: Final = 2.0  # from here on a factor is easier to read than a percentage
FINE: Final = 0.1  # below, percentages have a decimal
DECIMALS: Final = {"novelty": 2}  # bits; other metrics are shares
METRIC_NAMES: Final = {
    "recall": "Recall",
    "ndcg": "NDCG",
    "hit_rate": "Hit rate",
    "mrr": "MRR",
    "map": "MAP",
    "coverage": "Coverage",
    "gini": "Gini",
    "novelty": "Novelty",
    "intra_list_diversity": "Diversity",
}


class Said(NamedTuple):
    """A change in words, and its interval; without one that is empty."""

    words: str
    interval: str


def figure(value: float | None, name: str = "") -> str:
    """With as many decimals as metric `name` needs; a dash for what is no number."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{DECIMALS.get(name.partition('@')[0], 4)}f}"


def span(interval: Interval, name: str = "") -> str:
    """Both ends."""
    return f"{figure(interval.low, name)} to {figure(interval.high, name)}"


def metric_name(name: str) -> str:
    """`ndcg@10` as people write it."""
    base, at, k = name.partition("@")
    return f"{METRIC_NAMES.get(base, base)}{at}{k}"


def percent(share: float) -> str:
    """Without a sign."""
    return f"{100 * share:,.1f}{SPACE}%"


def signed(share: float | None) -> str:
    """As `+12.3 %`; a dash for what is no number."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{_signed(share)}{SPACE}%"


def change_in_words(change: Change) -> Said:
    """As `better by 27 %`, `95 %: 19 to 35 %`; says so where nothing is shown."""
    share, low, high = change.change, change.low, change.high
    if share is None or low is None or high is None:
        return Said("not to be compared: the other one finds nothing", "")
    if change.is_worse:
        return _by("worse", -share, -high, -low)
    if not change.is_better:
        found = f"{signed(share)}, {signed_span(change)}, p = {change.p_value:.4f}"
        return Said("no difference is shown", found)
    if share >= MANY_TIMES:
        return Said(f"{1 + share:.1f} times as good", _level(f"{1 + low:.1f} to {1 + high:.1f}"))
    return _by("better", share, low, high)


def signed_span(change: Change) -> str:
    """The interval of a change, as `95 %: −1.2 to +3.4 %`; empty if it has none."""
    if change.low is None or change.high is None:
        return ""
    return _level(f"{_signed(change.low)} to {_signed(change.high)}{SPACE}%")


def _level(ends: str) -> str:
    return f"95{SPACE}%: {ends}"


def _by(word: str, *shares: float) -> Said:
    """Of a change and both ends of its interval, with a decimal if one of them is small."""
    decimals = 1 if min(shares) < FINE else 0
    share, low, high = (f"{100 * one:,.{decimals}f}" for one in shares)
    return Said(f"{word} by {share}{SPACE}%", _level(f"{low} to {high}{SPACE}%"))


def _signed(share: float) -> str:
    """In %; what is 0 as it is shown has no sign."""
    text = f"{100 * share:+,.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")
