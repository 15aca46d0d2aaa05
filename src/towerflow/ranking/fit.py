"""Train the adaptor by its auxiliary loss: does this user convert on this item?"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from numpy.typing import NDArray
from torch import Tensor

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray
from towerflow.ranking.adaptor import RankingAdaptor, RankingAdaptorConfig
from towerflow.ranking.pairs import VectorPairs


def fit_adaptor(
    pairs: VectorPairs, config: RankingAdaptorConfig
) -> tuple[RankingAdaptor, list[float]]:
    """The adaptor of the epoch that ranks held-out users' pairs best, and the AUC of each epoch.

    Args:
        pairs: with `converted`.
        config: size and training.

    Raises:
        InputError: either part lacks pairs that converted or pairs that did not.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    users = rng.permutation(pairs.user_vectors.shape[0])
    held_out_users = users[: max(1, round(len(users) * config.held_out_share))]
    held_out = np.isin(pairs.user, held_out_users)
    for part, name in ((pairs.where(~held_out), "training"), (pairs.where(held_out), "held-out")):
        _require_both_classes(part, name)
    training, testing = pairs.where(~held_out), pairs.where(held_out)
    adaptor = RankingAdaptor(config, pairs.user_vectors.shape[1])
    optimiser = torch.optim.AdamW(adaptor.parameters(), lr=config.learning_rate)
    curve: list[float] = []
    best = copy.deepcopy(adaptor.state_dict())
    for _ in range(config.epochs):
        for batch in _batches(len(training.user), config.batch_size, rng):
            users_of, items_of = training.vectors(batch)
            logits = adaptor.conversion_logits(adaptor.fuse(users_of, items_of))
            loss = F.binary_cross_entropy_with_logits(logits, _labels(training, batch))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        curve.append(_auc_of(adaptor, testing))
        if curve[-1] == max(curve):
            best = copy.deepcopy(adaptor.state_dict())
        if len(curve) - 1 - curve.index(max(curve)) >= config.patience:
            break
    adaptor.load_state_dict(best)
    return adaptor.eval(), curve


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative, a tie counting half (Mann-Whitney).

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    _, rank, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    num_positive = int(positive.sum())
    num_pairs = num_positive * (len(scores) - num_positive)
    above = mean_rank[rank][positive].sum() - num_positive * (num_positive + 1) / 2
    return float(above / num_pairs)


@torch.inference_mode()
def _auc_of(adaptor: RankingAdaptor, pairs: VectorPairs) -> float:
    assert pairs.converted is not None, "asked for when they were read"
    everything = np.arange(len(pairs.user))
    logits = adaptor.conversion_logits(adaptor.fuse(*pairs.vectors(everything)))
    return auc(logits.double().numpy(), pairs.converted)


def _labels(pairs: VectorPairs, batch: IntArray) -> Tensor:
    assert pairs.converted is not None, "asked for when they were read"
    return torch.from_numpy(pairs.converted[batch]).float()


def _batches(num_pairs: int, batch_size: int, rng: np.random.Generator) -> Iterator[IntArray]:
    order = rng.permutation(num_pairs)
    return (order[start : start + batch_size] for start in range(0, num_pairs, batch_size))


def _require_both_classes(pairs: VectorPairs, name: str) -> None:
    assert pairs.converted is not None, "asked for when they were read"
    converted = int(pairs.converted.sum())
    if not 0 < converted < len(pairs.converted):
        raise InputError(
            f"the {name} pairs",
            expected="some that converted and some that did not",
            found=f"{converted} of {len(pairs.converted)} that did",
        )
