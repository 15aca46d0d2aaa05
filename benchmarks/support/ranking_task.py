"""A made-up test of the size of Amazon Beauty: vectors, histories and what is to be found."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from towerflow.evaluation.protocol import Task
from towerflow.interactions.histories import IntArray, ItemLists

NUM_USERS: Final = 22_332
NUM_ITEMS: Final = 12_086
DIM: Final = 128
HISTORY: Final = (4, 13)  # interactions before the test, from and below


class FixedVectors:
    """A model whose towers are tables."""

    kind = "fixed"
    serves_new_items = False

    def __init__(self, users: Tensor, items: Tensor) -> None:
        self.users = users
        self.items = items

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        """`[num_items, dim]`."""
        return self.items

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        """`[num_users, dim]` of those whom `histories` names."""
        assert histories.user_index is not None, "users of the table"
        return self.users[torch.from_numpy(histories.user_index)]


def make(num_users: int, num_items: int, dim: int) -> tuple[FixedVectors, Task]:
    """The model, and a task in which each user took items that its vectors rank rather high."""
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    model = FixedVectors(
        torch.randn(num_users, dim, generator=generator),
        torch.randn(num_items, dim, generator=generator),
    )
    taken = ItemLists.from_lists(_distinct(rng, num_items, size) for size in _sizes(rng, num_users))
    users = np.arange(num_users)
    last = taken.positions_from_end() == 0
    histories = taken.where(~last)
    return model, Task(
        users,
        ItemLists(histories.items, histories.offsets, users),
        taken.where(last),
    )


def write_log(task: Task, folder: Path) -> None:
    """The same as RecBole reads it: histories to train on, nothing to validate."""
    folder.mkdir(parents=True, exist_ok=True)
    head = "user_id:token\titem_id:token"
    for name, lists in (("train", task.histories), ("test", task.relevant)):
        pairs = zip(lists.rows(), lists.items, strict=True)
        lines = [head, *(f"{user}\t{item}" for user, item in pairs)]
        (folder / f"log.{name}.inter").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "log.valid.inter").write_text(
        f"{head}\n{task.histories.rows()[0]}\t{task.histories.items[0]}\n", "utf-8"
    )


def _sizes(rng: np.random.Generator, num_users: int) -> IntArray:
    return rng.integers(*HISTORY, num_users) + 1


def _distinct(rng: np.random.Generator, num_items: int, size: int) -> IntArray:
    return rng.choice(num_items, size, replace=False)
