"""Which epoch is kept, when training stops, and the schedule of the learning rate."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.circle import ACROSS, NOBODY, TRAINING, asking_for, ndcg, train
from towerflow.training.loop import warmup_cosine

EIGHT = TRAINING.model_copy(update={"epochs": 8, "patience": 8})


def test_what_is_left_is_the_best_epoch_though_later_ones_were_worse() -> None:
    model, curve = train(EIGHT, validation=ACROSS)
    validation = [epoch.validation for epoch in curve]
    assert validation[-1] < max(validation)  # else this test would say nothing
    assert ndcg(model, ACROSS) == pytest.approx(max(validation))


def test_patience_counts_from_the_best_epoch() -> None:
    _, whole = train(EIGHT, validation=ACROSS)
    _, stopped = train(EIGHT.model_copy(update={"patience": 2}), validation=ACROSS)
    assert stopped == whole[: len(stopped)]
    values = [epoch.validation for epoch in stopped]
    assert len(stopped) == values.index(max(values)) + 1 + 2 < len(whole)
    assert [epoch.number for epoch in stopped] == list(range(1, len(stopped) + 1))


def test_the_first_of_equally_good_epochs_counts() -> None:
    in_the_history = asking_for(0)  # never found, whatever is learnt
    _, curve = train(TRAINING.model_copy(update={"patience": 3}), validation=in_the_history)
    assert [(epoch.number, epoch.validation) for epoch in curve] == [(n, 0) for n in range(1, 5)]


def test_without_validation_users_the_last_epoch_is_kept() -> None:
    model, curve = train(TRAINING.model_copy(update={"patience": 1}), validation=NOBODY)
    assert [epoch.number for epoch in curve] == list(range(1, 16))
    assert ndcg(model) > 0.8


def test_validation_chooses_and_teaches_nothing() -> None:
    _, one = train(EIGHT, validation=ACROSS)
    _, other = train(EIGHT, validation=asking_for(6))
    assert [epoch.loss for epoch in one] == [epoch.loss for epoch in other]
    assert [epoch.validation for epoch in one] != [epoch.validation for epoch in other]


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    rising = [warmup_cosine(percent / 100, 0.1) for percent in range(11)]
    assert rising == pytest.approx([tenth / 10 for tenth in range(11)])
    falling = [warmup_cosine(0.1 + 0.9 * quarter / 4, 0.1) for quarter in range(5)]
    expected = [(1 + math.cos(math.pi * quarter / 4)) / 2 for quarter in range(5)]
    assert falling == pytest.approx(expected)


@given(st.integers(1, 300), st.floats(0, 0.99))
def test_the_rate_is_never_zero_at_the_middle_of_a_step_and_peaks_at_the_end_of_the_warmup(
    steps: int, warmup_share: float
) -> None:
    middles = [(step + 0.5) / steps for step in range(steps)]
    factors = [warmup_cosine(middle, warmup_share) for middle in middles]
    assert all(0 < factor <= 1 for factor in factors)
    assert warmup_cosine(warmup_share, warmup_share) == 1
    rising = [f for f, middle in zip(factors, middles, strict=True) if middle < warmup_share]
    falling = factors[len(rising) :]
    assert all(one < other for one, other in itertools.pairwise(rising))
    assert all(one >= other for one, other in itertools.pairwise(falling))


@given(st.floats(1, 5), st.floats(0, 0.99))
def test_after_the_end_the_rate_stays_zero(progress: float, warmup_share: float) -> None:
    assert warmup_cosine(progress, warmup_share) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("warmup_share", [0.0, 0.3])
def test_each_step_takes_the_rate_at_its_middle(
    warmup_share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []
    step = torch.optim.AdamW.step

    def record(optimiser: torch.optim.AdamW) -> None:
        rates.extend(group["lr"] for group in optimiser.param_groups)
        step(optimiser)

    monkeypatch.setattr(torch.optim.AdamW, "step", record)
    train(TRAINING.model_copy(update={"epochs": 4, "warmup_share": warmup_share}))
    middles = [(number + 0.5) / 20 for number in range(20)]  # of five steps in each epoch
    expected = [0.01 * warmup_cosine(middle, warmup_share) for middle in middles]
    assert rates == pytest.approx(expected)
