"""Train LEARN: predict the next item at every position, against the whole catalogue."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from towerflow.errors import InputError
from towerflow.evaluation.protocol import PRIMARY_METRIC, Task, evaluate_model
from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.losses import full_softmax_loss
from towerflow.models.standardise import Standardise
from towerflow.training.batches import batches, num_windows

SELECTION_CUTOFF: Final = 10
MAX_GRADIENT_NORM: Final = 1.0


class TrainingConfig(BaseModel):
    """How a model is trained; which epoch is kept is decided on validation, never on test."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Annotated[int, Field(gt=0, description="Passes over all interactions at most.")] = 40
    patience: Annotated[
        int, Field(gt=0, description="Epochs without a better validation NDCG@10 before stopping.")
    ] = 8
    batch_size: Annotated[int, Field(gt=0, description="Windows per step.")] = 64
    learning_rate: Annotated[float, Field(gt=0, description="Peak rate of AdamW.")] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, description="Of AdamW.")] = 0.0
    warmup_share: Annotated[
        float, Field(ge=0, lt=1, description="Share of all steps over which the rate rises.")
    ] = 0.05
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Of weights, dropout and batches.")] = 0


@dataclass(frozen=True)
class Epoch:
    """One line of the training curve."""

    number: int
    loss: float
    validation: float  # PRIMARY_METRIC


def train_learn(
    config: LearnConfig,
    training: TrainingConfig,
    embeddings: Tensor,
    histories: ItemLists,
    validation: Task,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[Learn, list[Epoch]]:
    """Train from scratch and return the best epoch's model with the curve.

    Args:
        config: size of the tower.
        training: optimiser and stopping rule.
        embeddings: `[num_items, embedding_dim]`, frozen.
        histories: training items of each user, oldest first.
        validation: chooses the epoch; without users in it, the last epoch is kept.
        on_epoch: told of each epoch as it ends.

    Raises:
        InputError: no user has two training items, so there is no step to learn from.
    """
    if not (histories.lengths >= 2).any():
        raise InputError(
            "the training split",
            expected="a user with at least 2 items in it",
            found="none",
            hint="two more of each user's items are kept for validation and test",
        )
    torch.manual_seed(training.seed)
    rng = np.random.default_rng(training.seed)
    model = Learn(config, embeddings.shape[1])
    model.standardise = Standardise.fit(embeddings)
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=training.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=training.weight_decay,
    )
    steps = training.epochs * num_batches(histories, config.max_history, training)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: warmup_cosine(step, steps, training.warmup_share)
    )
    curve: list[Epoch] = []
    best, best_score = copy.deepcopy(model.state_dict()), -math.inf
    for number in range(1, training.epochs + 1):
        losses = []
        model.train()
        for window in batches(histories, config.max_history, training.batch_size, rng):
            loss = window_loss(model, embeddings, window)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        model.eval()
        score = _validate(model, embeddings, validation)
        curve.append(Epoch(number, float(np.mean(losses)), score))
        on_epoch(curve[-1])
        if score > best_score or not len(validation.users):
            best, best_score = copy.deepcopy(model.state_dict()), score
        elif number - max(curve, key=lambda epoch: epoch.validation).number >= training.patience:
            break
    model.load_state_dict(best)
    return model.eval(), curve


def window_loss(model: Learn, embeddings: Tensor, window: IntArray) -> Tensor:
    """Loss of `window` `[batch, length + 1]`: each position must find the item after it."""
    items = torch.from_numpy(window)
    inputs, targets = items[:, :-1], items[:, 1:]
    adapted = model.adapt(embeddings)
    real = targets >= 0
    user_vectors = model.align(adapted[inputs.clamp(min=0)])[real]
    item_vectors = model.align(adapted.unsqueeze(1)).squeeze(1)
    return full_softmax_loss(user_vectors, item_vectors, targets[real], model.settings.temperature)


def num_batches(histories: ItemLists, max_history: int, training: TrainingConfig) -> int:
    """Steps of an epoch."""
    return math.ceil(num_windows(histories, max_history) / training.batch_size)


def warmup_cosine(step: int, steps: int, warmup_share: float) -> float:
    """Factor of the learning rate: linear up to 1, then a half cosine down to 0."""
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1 + math.cos(math.pi * progress))


def _validate(model: Learn, embeddings: Tensor, validation: Task) -> float:
    if not len(validation.users):
        return 0.0
    result = evaluate_model(model, embeddings, validation, (SELECTION_CUTOFF,))
    return result.means()[PRIMARY_METRIC]
