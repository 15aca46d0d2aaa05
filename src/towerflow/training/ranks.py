"""Several processes that train one model: who this one is, and what it gets from the others."""

from dataclasses import dataclass
from typing import Self

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_nn
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """This process among those that `torchrun` started, or alone."""

    rank: int = 0
    num_ranks: int = 1

    @classmethod
    def current(cls) -> Self:
        """As torch.distributed knows it."""
        if not dist.is_initialized():
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def gather(self, rows: Tensor, counts: list[int]) -> Tensor:
        """Rows of all ranks, one rank after the other; gradients find their way back.

        Args:
            rows: `[counts[rank], width]`.
            counts: rows of each rank.
        """
        if self.num_ranks == 1:
            return rows
        most = max(counts)
        padded = torch.cat([rows, rows.new_zeros(most - len(rows), *rows.shape[1:])])
        gathered = dist_nn.all_gather(padded)  # type: ignore[no-untyped-call]
        return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])

    def agree(self, value: float) -> float:
        """What the first rank says: machines may differ in the last digit, decisions must not."""
        if self.num_ranks == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64, device=_collective_device())
        dist.broadcast(said, src=0)
        return said.item()

    def mean(self, value: Tensor) -> float:
        """Mean of a number over the ranks."""
        if self.num_ranks > 1:
            dist.all_reduce(value)
        return value.item() / self.num_ranks


def _collective_device() -> torch.device:
    """Where a collective wants its tensors: NCCL knows GPUs only."""
    if not torch.cuda.is_available() or dist.get_backend() == "gloo":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
