"""How much goes through the LLM at once: fixed on a CPU, found on a GPU."""

from collections.abc import Sequence
from typing import Final

import torch

CPU_STATES: Final = (
    450_000  # tokens · width that stay in the cache: faster than more (docs/adr/0016)
)
MIN_TOKENS: Final = 256
GPU_TOKENS: Final = 8192  # to begin with
_PAYS: Final = 1.05  # a doubled batch must be this much faster, or the last size is kept
_FULL: Final = 0.8  # share of the budget from which a batch tells how fast the size is


class BatchBudget:
    """Tokens that a batch may have, padding counted.

    On a GPU it doubles as long as that makes it faster and halves when memory runs out. On a CPU
    it stays: there larger batches are slower, and equal batches give equal bits.

    Args:
        tokens: to begin with.
        grows: whether it is to be found.
        num_workers: batches side by side, each on one core; on a GPU one at a time.
    """

    def __init__(self, tokens: int, *, grows: bool, num_workers: int = 1) -> None:
        self.tokens = tokens
        self.num_workers = num_workers
        self._grows = grows
        self._best = 0.0

    @classmethod
    def of(cls, device: str, width: int) -> "BatchBudget":
        """Where to begin on a device, with an LLM of that width."""
        if device == "cpu":
            tokens = max(MIN_TOKENS, CPU_STATES // width)
            return cls(tokens, grows=False, num_workers=torch.get_num_threads())
        return cls(GPU_TOKENS, grows=True)

    def begin_worker(self) -> None:
        """Leave the other cores to the other workers.

        A batch for each is faster than a batch for all: Python and small operations, which can't
        be shared out, run side by side too.
        """
        if self.num_workers > 1:
            torch.set_num_threads(1)

    def succeeded(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took so long."""
        if not self._grows or tokens < _FULL * self.tokens:
            return
        rate = tokens / seconds
        if rate > _PAYS * self._best:
            self._best = rate
            self.tokens *= 2
        else:
            self.tokens = max(1, self.tokens // 2)
            self._grows = False

    def ran_out(self, tokens: int) -> None:
        """A batch of so many tokens did not fit in memory."""
        self.tokens = max(1, min(self.tokens, tokens) // 2)
        self._grows = False


def next_batch(lengths: Sequence[int], start: int, budget: int, *, is_packed: bool) -> int:
    """End of the batch that begins at `start`: as many texts as the budget has room for.

    Args:
        lengths: tokens of each text, longest first.
        start: first text of the batch; it is taken even if it alone is above the budget.
        budget: tokens, padding counted.
        is_packed: whether texts need no padding.
    """
    stop, tokens = start + 1, lengths[start]
    while stop < len(lengths):
        tokens += lengths[stop] if is_packed else lengths[start]
        if tokens > budget:
            break
        stop += 1
    return stop
