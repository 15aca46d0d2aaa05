"""User towers as torch modules that `torch.export` can trace: tensors in, tensors out.

All read `item_inputs` `[batch, length, width]`, a row for each item of a history, oldest first,
and `lengths` `[batch]`; what stands after a history's end is never looked at. The last column of a
row is a flag: 1 if the tower reads the item, 0 if it passes over it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from towerflow.models.padded import PaddedSequences
from towerflow.models.transformer import Transformer


class SequenceGraph(nn.Module):
    """What a transformer makes of the most recent items; zeros without any.

    Args:
        before: of each item, `[…, width]` to the same.
        transformer: causal.
        after: `[…, width]` to `[…, dim]`.
        max_history: most recent items that are read.
    """

    def __init__(
        self, before: nn.Module, transformer: Transformer, after: nn.Module, max_history: int
    ) -> None:
        super().__init__()
        self.before = before
        self.transformer = transformer
        self.after = after
        self.max_history = max_history

    def forward(self, item_inputs: Tensor, lengths: Tensor) -> Tensor:
        """`[batch, dim]`."""
        kept = _newest(_is_read(item_inputs, lengths), self.max_history)
        sequences = PaddedSequences.of(kept)
        tokens = self.before(_only(kept, item_inputs[:, :, :-1]).flatten(0, 1))
        return sequences.newest(self.after(self.transformer(tokens, sequences)))


class Unit(nn.Module):
    """Vectors of length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        """`[…, dim]` to the same shape."""
        return F.normalize(vectors, dim=-1)


class MeanGraph(nn.Module):
    """The mean of the items' rows; zeros without any."""

    def forward(self, item_inputs: Tensor, lengths: Tensor) -> Tensor:
        """`[batch, width - 1]`."""
        read = _is_read(item_inputs, lengths)
        sums = _only(read, item_inputs[:, :, :-1]).sum(dim=1)
        return sums / read.sum(dim=1, keepdim=True).clamp(min=1)


class TakenGraph(nn.Module):
    """1 for each item that was taken; an item's row is its index."""

    def __init__(self, num_items: int) -> None:
        super().__init__()
        self.num_items = num_items

    def forward(self, item_inputs: Tensor, lengths: Tensor) -> Tensor:
        """`[batch, num_items]`."""
        read, nothing = _is_read(item_inputs, lengths), self.num_items
        items = torch.where(read, item_inputs[:, :, 0], float(nothing)).to(torch.int64)
        vectors = item_inputs.new_zeros(item_inputs.shape[0], nothing + 1)
        ones = torch.ones_like(items, dtype=vectors.dtype)
        return vectors.scatter_reduce(1, items, ones, "amax")[:, :nothing]


class OneGraph(nn.Module):
    """1 for everybody."""

    def forward(self, item_inputs: Tensor, lengths: Tensor) -> Tensor:
        """`[batch, 1]`."""
        return torch.ones_like(lengths, dtype=item_inputs.dtype).unsqueeze(1)


class NeighbourGraph(nn.Module):
    """The last propagation from items to a user, see `GraphCF`.

    An item's row is what a stranger begins from, its message, and its index.

    Args:
        num_layers: times that rows are propagated.
        mean_user: `[dim]` who nobody at all is.
    """

    mean_user: Tensor

    def __init__(self, num_layers: int, mean_user: Tensor) -> None:
        super().__init__()
        self.num_parts = num_layers + 1
        self.register_buffer("mean_user", mean_user)

    def forward(self, item_inputs: Tensor, lengths: Tensor, user_inputs: Tensor) -> Tensor:
        """`[batch, dim]`.

        Args:
            item_inputs: `[batch, length, 2 × dim + 2]`.
            lengths: `[batch]`.
            user_inputs: `[batch, dim + 1]` users' own rows and a flag, 0 for strangers.
        """
        read = _is_read(item_inputs, lengths)
        once = read & _is_first(torch.where(read, item_inputs[:, :, -2], -1.0))
        rows, messages = _only(once, item_inputs[:, :, :-2]).sum(dim=1).chunk(2, dim=1)
        degrees = once.sum(dim=1, keepdim=True)
        divisor = degrees.clamp(min=1).to(rows.dtype)
        is_known = user_inputs[:, -1:] > 0
        own = torch.where(is_known, user_inputs[:, :-1], rows / divisor)
        vectors = (own + messages / divisor.sqrt()) / self.num_parts
        return torch.where(is_known | (degrees > 0), vectors, self.mean_user)


class BlendGraph(nn.Module):
    """The members' vectors end to end, each times its factor; so are the rows that they read.

    Args:
        members: of two inputs.
        widths: of each member's rows, flag included.
        factors: of each member's vectors.
    """

    def __init__(
        self, members: Sequence[nn.Module], widths: Sequence[int], factors: Sequence[float]
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.widths = list(widths)
        self.factors = list(factors)

    def forward(self, item_inputs: Tensor, lengths: Tensor) -> Tensor:
        """`[batch, sum of dims]`."""
        parts = torch.split(item_inputs, self.widths, dim=2)
        vectors = [
            member(part, lengths) * factor
            for member, part, factor in zip(self.members, parts, self.factors, strict=True)
        ]
        return torch.cat(vectors, dim=1)


def _is_read(item_inputs: Tensor, lengths: Tensor) -> Tensor:
    """`[batch, length]` where there is an item that the tower reads."""
    places = torch.arange(item_inputs.shape[1], device=lengths.device)
    return (places < lengths.unsqueeze(1)) & (item_inputs[:, :, -1] > 0)


def _newest(read: Tensor, count: int) -> Tensor:
    """`[batch, length]`: of what is `read`, the last `count` of each row."""
    so_far = read.to(torch.int64).cumsum(dim=1)
    return read & (so_far > so_far[:, -1:] - count)


def _only(kept: Tensor, rows: Tensor) -> Tensor:
    """`rows` `[batch, length, width]` with zeros, not NaN times zero, for all that isn't `kept`."""
    return torch.where(kept.unsqueeze(2), rows, 0.0)


def _is_first(keys: Tensor) -> Tensor:
    """`[batch, length]`: one place of each distinct key of each row."""
    ordered, order = keys.sort(dim=1)
    before = F.pad(ordered, (1, 0), value=-torch.inf)[:, :-1]
    return torch.zeros_like(keys, dtype=torch.bool).scatter(1, order, ordered != before)
