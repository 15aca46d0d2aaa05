"""Which epoch's weights are left, and when training ends: one weight, and scores as planned."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from towerflow.errors import InputError
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.epochs import EpochsConfig, Training, run_epochs

scores_of_epochs = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), max_size=8)


class One(nn.Module):
    """A single weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.was_training: list[bool] = []

    def forward(self) -> Tensor:
        return self.weight


def training_of(
    scores: Iterable[float] | None, losses: Iterable[float] = (), model: One | None = None
) -> tuple[One, Training]:
    """Epoch n sets the weight to n; validation then finds the n-th score."""
    model = model or One()
    optimiser = torch.optim.Adam(model.parameters())
    loss_of, score_of = dict(enumerate(losses, start=1)), dict(enumerate(scores or (), start=1))

    def run_epoch(number: int) -> float:
        model.was_training.append(model.training)
        nn.init.constant_(model.weight, number)
        return loss_of.get(number, 1 / number)

    def validate() -> float:
        model.was_training.append(model.training)
        return score_of[int(model.weight.item())]

    return model, Training(model, optimiser, run_epoch, None if scores is None else validate)


def run(
    training: Training, epochs: int, patience: int = 100, checkpoint: Checkpoint | None = None
) -> list[Epoch]:
    config = EpochsConfig(epochs=epochs, patience=patience)
    return run_epochs(training, config, checkpoint, lambda epoch: None)


@given(scores_of_epochs, st.integers(1, 4))
def test_it_stops_once_patience_is_used_up_and_leaves_the_first_of_the_best(
    scores: list[float], patience: int
) -> None:
    model, training = training_of(scores)
    curve = run(training, len(scores), patience)
    best, expected = 0, []
    for number, score in enumerate(scores, start=1):
        expected.append(Epoch(number, 1 / number, score))
        if not best or score > scores[best - 1]:
            best = number
        if number - best >= patience:
            break
    assert curve == expected
    assert model.weight.item() == best


@given(st.integers(0, 6), st.integers(1, 3))
def test_without_validation_all_epochs_are_run_and_the_last_is_left(
    epochs: int, patience: int
) -> None:
    model, training = training_of(None)
    curve = run(training, epochs, patience)
    assert curve == [Epoch(number, 1 / number, 0.0) for number in range(1, epochs + 1)]
    assert model.weight.item() == epochs


def test_an_epoch_is_run_in_training_mode_and_validated_out_of_it() -> None:
    model, training = training_of([0.1, 0.2])
    run(training, 2)
    assert model.was_training == [True, False, True, False]
    assert not model.training
    run(training_of(None, model=model)[1], 0)
    assert not model.training


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_it(loss: float) -> None:
    _, training = training_of([0.1, 0.2, 0.3], losses=[1, loss])
    told: list[Epoch] = []
    with pytest.raises(InputError, match=rf"training, epoch 2: .*found {loss}.*learning_rate"):
        run_epochs(training, EpochsConfig(epochs=3), None, told.append)
    assert [epoch.number for epoch in told] == [1]


def test_more_epochs_than_before_go_on_from_the_last(tmp_path: Path) -> None:
    """The best is of those before the interruption; its weights were kept."""
    checkpoint = Checkpoint(str(tmp_path / "state.safetensors"))
    scores = [0.1, 0.4, 0.2, 0.3]
    run(training_of(scores)[1], 3, checkpoint=checkpoint)
    model, training = training_of(scores)
    told: list[Epoch] = []
    curve = run_epochs(training, EpochsConfig(epochs=4), checkpoint, told.append)
    assert [epoch.validation for epoch in curve] == scores
    assert told == curve
    assert model.was_training == [True, False]  # one epoch was run, not four
    assert model.weight.item() == 2


def test_fewer_epochs_than_before_leave_what_was_best(tmp_path: Path) -> None:
    checkpoint = Checkpoint(str(tmp_path / "state.safetensors"))
    run(training_of([0.1, 0.4, 0.2])[1], 3, checkpoint=checkpoint)
    model, training = training_of([])
    assert len(run(training, 1, checkpoint=checkpoint)) == 3
    assert model.weight.item() == 2
    assert model.was_training == []
