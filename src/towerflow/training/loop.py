"""Training of a tower that reads sequences: AdamW, warm-up and cosine."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from towerflow.errors import InputError
from towerflow.evaluation.protocol import PRIMARY_METRIC, Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import Learn
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec
from towerflow.training.all_action import AllActionBatch, all_action_batches
from towerflow.training.candidates import CandidateItems, choose_candidates
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.config import AllAction, TrainingConfig
from towerflow.training.epochs import Training, run_epochs
from towerflow.training.examples import NextItemBatch, next_item_batches
from towerflow.training.ranks import Ranks
from towerflow.training.step import TrainingStep

SELECTION_CUTOFF: Final = 10
ADAM_BETAS: Final = (0.9, 0.98)  # these and epsilon are those of LEARN's public code
ADAM_EPSILON: Final = 1e-6

_HINTS: Final = {
    "next_item": "two more of each user's items may be kept for validation and test",
    "one_target": "min_items and max_items say who may teach",
    "all_action": "a cut at random suits users who do not stay from before the timestamp to after",
}

Batch = tuple[NextItemBatch | AllActionBatch, CandidateItems | None, float]


@dataclass(frozen=True)
class TrainingLog:
    """What is learnt from.

    Attributes:
        histories: training items of each user, oldest first.
        times: `[num_events]` their timestamps.
        num_items: size of the catalogue.
    """

    histories: ItemLists
    times: NDArray[np.float64]
    num_items: int

    def popularity(self) -> NDArray[np.float64]:
        """`[num_items]` share of each item among what can be a target: all but users' first."""
        targets = np.delete(
            self.histories.items, self.histories.offsets[:-1][self.histories.lengths > 0]
        )
        counts = np.bincount(targets, minlength=self.num_items)
        shares: NDArray[np.float64] = counts / max(1, counts.sum())
        return shares


def train_model(
    model: Learn | SASRec,
    config: TrainingConfig,
    log: TrainingLog,
    embeddings: Tensor,
    validation: Task,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train `model`, leave it with the weights of its best epoch, and return the curve.

    Args:
        model: with its first weights.
        config: objective, optimiser and stopping rule.
        log: what is learnt from.
        embeddings: `[num_items, embedding_dim]`, frozen, on the device to train on.
        validation: chooses the epoch; without users in it, the last epoch is kept.
        checkpoint: where to go on from, and what to keep after each epoch.
        on_epoch: told of each epoch as it ends.

    Raises:
        InputError: nobody in the log can teach anything.
    """
    ranks = Ranks.current()
    model.to(embeddings.device)
    softmax = None if isinstance(config.objective, AllAction) else config.objective.softmax
    step = TrainingStep(model, embeddings, ranks, softmax)
    forward = DistributedDataParallel(step) if ranks.num_ranks > 1 else step
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=config.learning_rate,
        betas=ADAM_BETAS,
        eps=ADAM_EPSILON,
        weight_decay=config.weight_decay,
    )
    training = Training(
        model,
        optimiser,
        run_epoch=lambda number: _run_epoch(number, model, forward, optimiser, config, log),
        validate=partial(validation_score, model, embeddings, validation)
        if len(validation.users)
        else None,
    )
    return run_epochs(training, config, checkpoint, on_epoch)


def validation_score(model: RetrievalModel, embeddings: Tensor, validation: Task) -> float:
    """What epochs are chosen by."""
    result = evaluate_model(model, embeddings, validation, (SELECTION_CUTOFF,))
    return result.means()[PRIMARY_METRIC]


def warmup_cosine(progress: float, warmup_share: float) -> float:
    """Factor of the learning rate at a share of training: up in a line, down half a cosine.

    >>> [round(warmup_cosine(p, 0.2), 2) for p in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup_share:
        return progress / warmup_share
    falling = min(1.0, (progress - warmup_share) / (1 - warmup_share))
    return 0.5 * (1 + math.cos(math.pi * falling))


def _run_epoch(
    number: int,
    model: Learn | SASRec,
    forward: nn.Module,
    optimiser: torch.optim.Optimizer,
    config: TrainingConfig,
    log: TrainingLog,
) -> float:
    """One pass; the mean loss of its steps."""
    ranks = Ranks.current()
    # Seeded by epoch, so that a run that goes on draws what an uninterrupted one does.
    rng = np.random.default_rng([config.seed, number])
    torch.manual_seed(int(np.random.default_rng([config.seed, number, ranks.rank]).integers(2**63)))
    losses = []
    for batch, candidates, share_done in _batches(config, log, model.max_history, rng):
        progress = (number - 1 + share_done) / config.epochs
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * warmup_cosine(progress, config.warmup_share)
        step_loss = forward(batch, candidates)
        optimiser.zero_grad()
        step_loss.backward()
        if config.max_gradient_norm:
            nn.utils.clip_grad_norm_(model.parameters(), config.max_gradient_norm)
        optimiser.step()
        losses.append(step_loss.detach())
    if not losses:
        raise InputError(
            "the training split",
            expected=f"users that objective {config.objective.kind} can learn from",
            found="none",
            hint=_HINTS[config.objective.kind],
        )
    return ranks.mean(torch.stack(losses).mean())


def _batches(
    config: TrainingConfig, log: TrainingLog, max_history: int, rng: np.random.Generator
) -> Iterator[Batch]:
    objective = config.objective
    if isinstance(objective, AllAction):
        for pairs, done in all_action_batches(
            objective, log.histories, log.times, max_history, config.batch_size, rng
        ):
            yield pairs, None, done
        return
    popularity = log.popularity()
    for batch, done in next_item_batches(
        objective, log.histories, max_history, config.batch_size, rng
    ):
        yield batch, choose_candidates(objective.softmax, batch.targets, popularity, rng), done
