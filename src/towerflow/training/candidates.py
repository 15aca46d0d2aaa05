"""Among which items the targets of a batch must be found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from towerflow.interactions.histories import IntArray
from towerflow.training.config import Candidates, SoftmaxConfig


@dataclass(frozen=True)
class CandidateItems:
    """Candidates of a batch.

    Attributes:
        items: `[num_candidates]` item indices.
        columns: `[num_positions]` which of them is each position's target.
        may_recur: whether the same item may be a candidate more than once.
        log_q: `[num_candidates]` log of the chance to be a candidate, if that is corrected for.
    """

    items: IntArray
    columns: IntArray
    may_recur: bool = False
    log_q: NDArray[np.float32] | None = None


def choose_candidates(
    softmax: SoftmaxConfig,
    targets: IntArray,
    popularity: NDArray[np.float64],
    rng: np.random.Generator,
) -> CandidateItems:
    """Candidates for `targets` `[num_positions]`.

    Args:
        softmax: full, sampled or in_batch.
        targets: item indices.
        popularity: `[num_items]` share of each item among the targets of a pass.
        rng: of `sampled`.
    """
    num_items, num_draws = len(popularity), len(targets)
    match softmax.candidates:
        case Candidates.FULL:
            return CandidateItems(np.arange(num_items), targets)
        case Candidates.IN_BATCH:
            log_q = np.log(popularity[targets]) if softmax.log_q else None
            return CandidateItems(
                targets, np.arange(num_draws), may_recur=True, log_q=_float32(log_q)
            )
        case Candidates.SAMPLED:
            drawn = rng.integers(num_items, size=softmax.num_negatives)
            items = np.unique(np.concatenate([targets, drawn]))
            missed = num_draws * np.log1p(-popularity[items])
            missed += softmax.num_negatives * np.log1p(-1 / num_items)
            log_q = np.log(-np.expm1(missed)) if softmax.log_q else None
            return CandidateItems(items, np.searchsorted(items, targets), log_q=_float32(log_q))


def _float32(values: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
    return None if values is None else values.astype(np.float32)
