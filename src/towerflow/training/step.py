"""The loss of a batch: the part of it that this process computes."""

import numpy as np
import torch
from torch import Tensor, nn

from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.losses import (
    accidental_hits,
    all_action_loss,
    correct_log_q,
    hide,
    same_user_hits,
    scores,
    softmax_loss,
)
from towerflow.models.packed import PackedSequences
from towerflow.models.sequence_model import SequenceModel
from towerflow.training.all_action import AllActionBatch
from towerflow.training.candidates import CandidateItems
from towerflow.training.config import SoftmaxConfig
from towerflow.training.examples import NextItemBatch
from towerflow.training.ranks import Ranks


class TrainingStep(nn.Module):
    """A model with its loss, in one forward as DistributedDataParallel wants it.

    The mean over ranks of what they return is the loss of the whole batch.
    """

    def __init__(
        self, model: SequenceModel, embeddings: Tensor, ranks: Ranks, softmax: SoftmaxConfig | None
    ) -> None:
        super().__init__()
        self.softmax = softmax
        self.model = model
        self.embeddings = embeddings
        self.ranks = ranks

    def forward(
        self, batch: NextItemBatch | AllActionBatch, candidates: CandidateItems | None
    ) -> Tensor:
        """Loss of this rank's part: sum over its targets (or pairs) × num_ranks / all of them."""
        if isinstance(batch, AllActionBatch):
            return self.all_action(batch)
        assert candidates is not None, "chosen for every batch but all-action"
        return self.next_item(batch, candidates)

    def next_item(self, batch: NextItemBatch, candidates: CandidateItems) -> Tensor:
        """Each target among the candidates."""
        mine, positions = batch.share(self.ranks.rank, self.ranks.num_ranks)
        user_vectors = self._read(mine.inputs)[self._tensor(mine.sources)]
        items = self._tensor(candidates.items)
        columns = self._tensor(candidates.columns[positions])
        logits = scores(user_vectors, self._item_vectors(items), self.model.temperature)
        if candidates.log_q is not None:
            logits = correct_log_q(logits, self._tensor(candidates.log_q))
        if candidates.may_recur:
            logits = hide(logits, accidental_hits(items, columns))
        if self.softmax and self.softmax.exclude_same_user:
            users = self._tensor(mine.inputs.rows()[mine.sources])
            logits = hide(logits, same_user_hits(items, columns, users, len(mine.inputs)))
        loss = softmax_loss(logits, columns)
        return loss * self.ranks.num_ranks / len(batch.targets)

    def all_action(self, batch: AllActionBatch) -> Tensor:
        """Each target of a user after each position of that user's history."""
        num_ranks = self.ranks.num_ranks
        parts = [batch.share(rank, num_ranks) for rank in range(num_ranks)]
        mine = parts[self.ranks.rank]
        user_vectors = self._read(mine.histories)[self._tensor(mine.sources)]
        targets = PackedSequences.pack(mine.targets, self.embeddings.device)
        with self._half_precision():
            read = self.model.read_targets(targets, self.embeddings)
        mine_vectors = read.float()[self._tensor(mine.chosen)]
        # Row r of rank k's part is user k + r * num_ranks of the batch.
        owners = [part.targets.rows()[part.chosen] * num_ranks + k for k, part in enumerate(parts)]
        users = mine.histories.rows()[mine.sources] * num_ranks + self.ranks.rank
        loss = all_action_loss(
            user_vectors,
            self._tensor(users),
            self.ranks.gather(mine_vectors, [len(part.chosen) for part in parts]),
            self._tensor(np.concatenate(owners)),
            self._tensor(np.concatenate([part.targets.items[part.chosen] for part in parts])),
            len(batch.histories),
            self.model.temperature,
        )
        return loss * num_ranks / batch.num_pairs()

    def _read(self, sequences: ItemLists) -> Tensor:
        packed = PackedSequences.pack(sequences, self.embeddings.device)
        with self._half_precision():
            return self.model.read(packed, self.embeddings).float()

    def _item_vectors(self, items: Tensor) -> Tensor:
        """Vectors of the candidates, each computed by one rank."""
        parts = items.tensor_split(self.ranks.num_ranks)
        with self._half_precision():
            mine = self.model.vectors_of(parts[self.ranks.rank], self.embeddings)
        return self.ranks.gather(mine.float(), [len(part) for part in parts])

    def _half_precision(self) -> torch.autocast:
        """Bfloat16 on a GPU, for the towers alone: at τ = .05 it would blur the logits."""
        device = self.embeddings.device.type
        return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")

    def _tensor(self, values: IntArray | np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.embeddings.device)
