"""Epoch after epoch: early stopping on validation, the best weights, exact resume."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.optim import Optimizer

from towerflow.errors import InputError
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.ranks import Ranks


class EpochsConfig(BaseModel):
    """How long is trained; which epoch is kept is decided on validation, never on test."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Annotated[
        int, Field(ge=0, description="Passes at most; 0 leaves an initial model as it is.")
    ] = 40
    patience: Annotated[
        int, Field(gt=0, description="Epochs without a better validation NDCG@10 before stopping.")
    ] = 8
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Of weights, dropout and batches.")] = 0


@dataclass(frozen=True)
class Training:
    """What is trained, and how one epoch of it goes.

    Attributes:
        model: holds the weights.
        optimiser: of these weights.
        run_epoch: one pass, by its number from 1; returns the mean loss.
        validate: what epochs are chosen by; None: the last epoch is kept.
    """

    model: nn.Module
    optimiser: Optimizer
    run_epoch: Callable[[int], float]
    validate: Callable[[], float] | None


def run_epochs(
    training: Training,
    config: EpochsConfig,
    checkpoint: Checkpoint | None,
    on_epoch: Callable[[Epoch], None],
) -> list[Epoch]:
    """Train, leave the model with the weights of its best epoch, and return the curve.

    Args:
        training: what is trained.
        config: how long.
        checkpoint: where to go on from, and what to keep after each epoch.
        on_epoch: told of each epoch as it ends.

    Raises:
        InputError: a loss that is not finite, or processes that see other checkpoints.
    """
    ranks = Ranks.current()
    model, judged = training.model, training.validate is not None
    state = checkpoint.load(model, training.optimiser) if checkpoint else None
    best, curve = state or (copy.deepcopy(model.state_dict()), [])
    if ranks.agree(len(curve)) != len(curve):
        raise InputError(
            "checkpoints",
            expected="a folder that all processes see",
            found=f"{len(curve)} epochs in it here, another number for the first process",
        )
    for epoch in curve:
        on_epoch(epoch)
    for number in range(len(curve) + 1, config.epochs + 1):
        if curve and number - 1 - _best(curve, judged=judged).number >= config.patience:
            break
        model.train()
        loss = training.run_epoch(number)
        if not math.isfinite(loss):
            raise InputError(
                f"training, epoch {number}",
                expected="a finite loss",
                found=str(loss),
                hint="lower learning_rate",
            )
        model.eval()
        score = training.validate() if training.validate and not ranks.rank else 0.0
        curve.append(Epoch(number, loss, ranks.agree(score)))
        if _best(curve, judged=judged) is curve[-1]:
            best = copy.deepcopy(model.state_dict())
        if checkpoint and ranks.rank == 0:
            checkpoint.save(model, best, training.optimiser, curve)
        on_epoch(curve[-1])
    model.load_state_dict(best)
    model.eval()
    return curve


def _best(curve: list[Epoch], *, judged: bool) -> Epoch:
    """The first of the best epochs; the last one where nothing tells them apart."""
    return max(curve, key=lambda epoch: epoch.validation) if judged else curve[-1]
