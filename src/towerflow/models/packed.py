"""Sequences laid end to end in rows, so that a tower computes next to nothing for padding."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from towerflow.interactions.histories import IntArray, ItemLists


@dataclass(frozen=True)
class PackedSequences:
    """Item sequences in rows of the length of the longest; several short ones share a row.

    Attributes:
        items: `[num_tokens]` item indices, sequence after sequence as they were given.
        positions: `[num_tokens]` place of each in its sequence, 0 for the oldest.
        places: `[num_tokens]` where each stands among the `num_rows * row_length` places.
        visible: `[num_rows, 1, row_length, row_length]` whether place q may look at place k: it is
            of the same sequence and not later. Unused places see one another.
    """

    items: Tensor
    positions: Tensor
    places: Tensor
    visible: Tensor

    @classmethod
    def pack(cls, sequences: ItemLists, device: torch.device) -> Self:
        """Lay out `sequences`, none of them empty."""
        lengths = sequences.lengths
        assert lengths.all(), "no empty sequence"
        row_length = int(lengths.max())
        starts = _best_fit(lengths, row_length)
        positions = np.arange(len(sequences.items)) - np.repeat(sequences.offsets[:-1], lengths)
        places = np.repeat(starts, lengths) + positions
        num_rows = int(places.max()) // row_length + 1
        owner = np.full(num_rows * row_length, -1)
        owner[places] = sequences.rows()
        owners = torch.from_numpy(owner.reshape(num_rows, row_length)).to(device)
        same = owners.unsqueeze(2) == owners.unsqueeze(1)
        return cls(
            items=torch.from_numpy(sequences.items).to(device),
            positions=torch.from_numpy(positions).to(device),
            places=torch.from_numpy(places).to(device),
            visible=same.tril().unsqueeze(1),
        )

    def spread(self, tokens: Tensor) -> Tensor:
        """`[num_tokens, width]` to `[num_rows, row_length, width]`, zeros in unused places."""
        num_rows, _, row_length, _ = self.visible.shape
        rows = tokens.new_zeros(num_rows * row_length, tokens.shape[1])
        return rows.index_copy(0, self.places, tokens).view(num_rows, row_length, -1)

    def gather(self, rows: Tensor) -> Tensor:
        """The inverse of `spread`."""
        return rows.flatten(0, 1).index_select(0, self.places)


def _best_fit(lengths: IntArray, row_length: int) -> IntArray:
    """Where each sequence starts: the longest first, each into the fullest row with room for it."""
    rows_with_room: list[list[int]] = [[] for _ in range(row_length + 1)]
    starts = np.empty(len(lengths), dtype=np.int64)
    num_rows = 0
    for sequence in np.argsort(-lengths, kind="stable"):
        length = int(lengths[sequence])
        room = next((r for r in range(length, row_length) if rows_with_room[r]), row_length)
        if room == row_length:
            row, num_rows = num_rows, num_rows + 1
        else:
            row = rows_with_room[room].pop()
        starts[sequence] = row * row_length + row_length - room
        rows_with_room[room - length].append(row)
    return starts
