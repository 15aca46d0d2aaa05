"""What is recommended, apart from whether it is right: how much of the catalogue, how unlike."""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from towerflow.evaluation.metrics import Floats
from towerflow.interactions.histories import IntArray
from towerflow.retrieval.topk import NO_ITEM

ROUNDING: Final = 1e-5  # share of an embedding's length below which a difference is none
ROWS_AT_ONCE: Final = 8_192
LISTS_AT_ONCE: Final = 512  # bounds the memory, not the result


def exposure(recommended: IntArray, num_items: int) -> IntArray:
    """`[num_items]` in how many of the lists `[num_users, depth]` each item stands."""
    return np.bincount(recommended[recommended != NO_ITEM], minlength=num_items)


def coverage(shown: IntArray) -> float:
    """Share of the catalogue that anybody is recommended; `shown` as `exposure` gives it."""
    return float(np.count_nonzero(shown)) / len(shown)


def gini(shown: IntArray) -> float:
    """How unequally items are recommended: 0 if all alike, near 1 if a single one always.

    `Σᵢ (2i − n − 1) xᵢ / (n Σ x)` with x ascending (Gini 1912; Adomavicius and Kwon, TKDE 2012).
    """
    total, size = int(shown.sum()), len(shown)
    if not total:
        return 0.0
    weights = 2 * np.arange(1, size + 1) - size - 1
    return float(weights @ np.sort(shown)) / (size * total)


def novelty(recommended: IntArray, popularity: IntArray, num_users: int) -> Floats:
    """`[num_users]` mean over a list of `−log₂` of the share of users who took the item.

    An item that nobody took counts as if one had (Zhou et al., PNAS 2010, self-information).

    Args:
        recommended: `[num_users, depth]`.
        popularity: `[num_items]` how many users took each in training.
        num_users: of training.
    """
    surprise = -np.log2(np.maximum(popularity, 1) / num_users)
    there = recommended != NO_ITEM
    sums = np.where(there, surprise[recommended], 0.0).sum(axis=1)
    mean: Floats = sums / np.maximum(there.sum(axis=1), 1)
    return mean


def intra_list_diversity(recommended: IntArray, embeddings: Tensor) -> Floats:
    """`[num_users]` mean over pairs of a list of 1 − cosine of what the LLM gave (Ziegler 2005).

    Embeddings are centred first: raw ones of an LLM share one direction, which would hide what
    differs. Items without text have none and are left out, as are those that have nothing of their
    own beyond that direction; fewer than two leave 0.

    Args:
        recommended: `[num_users, depth]`.
        embeddings: `[num_items, embedding_dim]`; zeros for an item without text.
    """
    centre = _centre(embeddings)
    result = np.zeros(len(recommended))
    for start in range(0, len(recommended), LISTS_AT_ONCE):
        items = torch.from_numpy(recommended[start : start + LISTS_AT_ONCE])
        whole = embeddings[items]
        own = whole - centre
        counts = (items != NO_ITEM) & whole.any(dim=2)
        counts &= own.norm(dim=2) > ROUNDING * whole.norm(dim=2)
        units = (torch.nn.functional.normalize(own, dim=2) * counts.unsqueeze(2)).double()
        size = counts.sum(dim=1).double()
        # The sum over pairs of unit vectors is (|Σu|² − Σ|u|²) / 2.
        cosines = units.sum(dim=1).square().sum(dim=1) - units.square().sum(dim=(1, 2))
        pairs = (size * (size - 1)).clamp(min=1)
        diversity = torch.where(size > 1, 1 - cosines / pairs, 0.0)
        result[start : start + LISTS_AT_ONCE] = diversity.numpy()
    return result


def _centre(embeddings: Tensor) -> Tensor:
    """`[embedding_dim]` mean of those that are not 0."""
    total = torch.zeros(embeddings.shape[1], dtype=torch.float64)
    num_written = 0
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        block = embeddings[start : start + ROWS_AT_ONCE]
        total += block.sum(dim=0, dtype=torch.float64)
        num_written += int(block.any(dim=1).sum())
    return (total / max(1, num_written)).to(embeddings.dtype)
