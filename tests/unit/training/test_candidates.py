"""Candidates: columns point at the targets, and log Q is the chance to be a candidate."""

import math

import numpy as np
import pytest

from towerflow.training.candidates import choose_candidates
from towerflow.training.config import Candidates, SoftmaxConfig

POPULARITY = np.array([0.5, 0.25, 0.125, 0.125, 0.0, 0.0])
TARGETS = np.array([1, 0, 3, 0])


def softmax(
    candidates: Candidates, *, log_q: bool = False, num_negatives: int = 0
) -> SoftmaxConfig:
    return SoftmaxConfig(candidates=candidates, log_q=log_q, num_negatives=num_negatives)


@pytest.mark.parametrize(
    "config",
    [
        softmax(Candidates.FULL),
        softmax(Candidates.IN_BATCH),
        softmax(Candidates.SAMPLED, num_negatives=1),
        softmax(Candidates.SAMPLED, num_negatives=50),
    ],
)
def test_columns_point_at_the_targets(config: SoftmaxConfig) -> None:
    chosen = choose_candidates(config, TARGETS, POPULARITY, np.random.default_rng(0))
    assert chosen.items[chosen.columns].tolist() == TARGETS.tolist()
    assert chosen.log_q is None


def test_full_is_the_catalogue() -> None:
    chosen = choose_candidates(
        softmax(Candidates.FULL), TARGETS, POPULARITY, np.random.default_rng(0)
    )
    assert chosen.items.tolist() == [0, 1, 2, 3, 4, 5]
    assert not chosen.may_recur


def test_in_batch_is_every_target_as_often_as_it_comes_with_its_popularity() -> None:
    config = softmax(Candidates.IN_BATCH, log_q=True)
    chosen = choose_candidates(config, TARGETS, POPULARITY, np.random.default_rng(0))
    assert chosen.items.tolist() == [1, 0, 3, 0]
    assert chosen.columns.tolist() == [0, 1, 2, 3]
    assert chosen.may_recur
    assert chosen.log_q is not None
    assert chosen.log_q.tolist() == pytest.approx([math.log(p) for p in (0.25, 0.5, 0.125, 0.5)])
    assert chosen.log_q.dtype == np.float32


def test_sampled_is_the_targets_and_others_each_once_drawn_anew() -> None:
    config = softmax(Candidates.SAMPLED, num_negatives=2)
    rng = np.random.default_rng(0)
    found = [choose_candidates(config, TARGETS, POPULARITY, rng) for _ in range(50)]
    for chosen in found:
        items = chosen.items.tolist()
        assert len(set(items)) == len(items) <= 3 + 2
        assert set(items) >= {0, 1, 3}
        assert not chosen.may_recur
    assert len({tuple(chosen.items.tolist()) for chosen in found}) > 3
    assert {item for chosen in found for item in chosen.items.tolist()} == set(range(6))


def test_log_q_of_sampled_by_arithmetic() -> None:
    config = softmax(Candidates.SAMPLED, num_negatives=40, log_q=True)
    chosen = choose_candidates(config, TARGETS, POPULARITY, np.random.default_rng(0))
    assert chosen.items.tolist() == [0, 1, 2, 3, 4, 5]
    assert chosen.log_q is not None
    expected = [math.log(1 - (1 - p) ** 4 * (5 / 6) ** 40) for p in POPULARITY]
    assert chosen.log_q.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_log_q_of_sampled_is_the_share_of_batches_an_item_is_a_candidate_in() -> None:
    num_batches, batch_size = 4000, 3
    config = softmax(Candidates.SAMPLED, num_negatives=2, log_q=True)
    rng = np.random.default_rng(1)
    times, log_q = np.zeros(6), np.full(6, np.nan)
    for _ in range(num_batches):
        targets = rng.choice(6, size=batch_size, p=POPULARITY)
        chosen = choose_candidates(config, targets, POPULARITY, rng)
        assert chosen.log_q is not None
        times[chosen.items] += 1
        log_q[chosen.items] = chosen.log_q
    share = np.exp(log_q)
    error = np.sqrt(share * (1 - share) / num_batches)
    assert (np.abs(times / num_batches - share) < 4 * error).all()
    assert share[0] > share[1] > share[2] > share[4] > 0.2


def test_tiny_chances_keep_their_precision() -> None:
    popularity = np.full(1_000_000, 1e-6)
    config = softmax(Candidates.SAMPLED, num_negatives=1, log_q=True)
    chosen = choose_candidates(config, np.array([7]), popularity, np.random.default_rng(0))
    assert chosen.log_q is not None
    assert np.exp(chosen.log_q) == pytest.approx(2e-6, rel=1e-4)
