"""Losses of LightGCN, SGL and SGCL, as LLMInit's public code (RecBole's) computes them."""

from typing import Any, Final, cast

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

SCORES_AT_ONCE: Final = 4_000_000  # of a contrast: 16 MB of float32, which a cache holds
LEAST_ROWS: Final = 64  # fewer at once would read all others too often


def bpr_loss(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Sum of `-log σ(u·p - u·n)`: what was taken scores above what was drawn.

    Source: BPR (Rendle et al., UAI 2009).

    Args:
        users: `[batch, dim]`.
        positives: `[batch, dim]` what they took.
        negatives: `[batch, dim]` what was drawn.
    """
    return -F.logsigmoid((users * (positives - negatives)).sum(dim=1)).sum()


def length_penalty(rows: Tensor) -> Tensor:
    """`Σ ‖matrix‖₂ / batch` over the matrices `[num_matrices, batch, dim]`; not squared.

    Source: RecBole's EmbLoss, on rows of the tables before propagation.
    """
    # A square root has no slope at zero, where the penalty is to have none.
    squares = rows.square().sum(dim=(1, 2)).clamp(min=torch.finfo(rows.dtype).tiny)
    return squares.sqrt().sum() / rows.shape[1]


def contrast_loss(views: Tensor, positives: Tensor, others: Tensor, temperature: float) -> Tensor:
    """InfoNCE: sum of `-log e^(v·p/τ) / Σ_o e^(v·o/τ)` over cosines.

    Source: SGL (arXiv 2010.10783), equation 10.

    Args:
        views: `[batch, dim]` nodes in one view of the graph.
        positives: `[batch, dim]` the same nodes in the other view.
        others: `[num_others, dim]` all nodes of their kind in the other view, themselves too.
        temperature: τ.
    """
    views, positives, others = (F.normalize(rows, dim=1) for rows in (views, positives, others))
    return _log_sum_exp(temperature, views, others) - (views * positives).sum() / temperature


def supervised_contrast_loss(users: Tensor, items: Tensor, temperature: float) -> Tensor:
    """SGCL: sum of `-log e^(u·i/τ) / (Σ_u' e^(u·u'/τ) + Σ_i' e^(i·i'/τ))` over cosines.

    Both sums are over the batch and have the user's and the item's own terms in them.

    Source: SGCL as in LLMInit's public code.

    Args:
        users: `[batch, dim]` one end of the batch's edges.
        items: `[batch, dim]` the other end.
        temperature: τ.
    """
    users, items = F.normalize(users, dim=1), F.normalize(items, dim=1)
    alike = _log_sum_exp(temperature, users, users, items, items)
    return alike - (users * items).sum() / temperature


def _log_sum_exp(temperature: float, *pairs: Tensor) -> Tensor:
    """`Σ_rows log Σ_pairs Σ_o e^(q·o/τ)` of unit vectors.

    Args:
        temperature: τ.
        pairs: queries `[num_rows, dim]` and what they are compared with `[num_others, dim]`, then
            the next two, whose queries belong to the same rows.
    """
    return cast(Tensor, _SumOfLogSumExp.apply(temperature, *pairs))  # type: ignore[no-untyped-call]


class _SumOfLogSumExp(torch.autograd.Function):
    """Never holds the whole matrix of scores.

    The upstream gradient is one number, so that the way back can be gone block by block on the way
    there.
    """

    @staticmethod
    def forward(ctx: Any, temperature: float, *pairs: Tensor) -> Tensor:
        queries, others = pairs[::2], pairs[1::2]
        scaled = [rows / temperature for rows in others]
        rows = max(LEAST_ROWS, SCORES_AT_ONCE // sum(map(len, others)))
        of_queries = [torch.empty_like(matrix) for matrix in queries]
        of_others = [torch.zeros_like(matrix) for matrix in others]
        total = queries[0].new_zeros(())
        for start in range(0, len(queries[0]), rows):
            blocks = [matrix[start : start + rows] for matrix in queries]
            shares = [torch.mm(block, keys.T) for block, keys in zip(blocks, scaled, strict=True)]
            highest = torch.stack([part.amax(dim=1) for part in shares]).amax(dim=0)
            for part in shares:
                part.sub_(highest.unsqueeze(1)).exp_()
            sums = torch.stack([part.sum(dim=1) for part in shares]).sum(dim=0)
            total += (sums.log() + highest).sum()
            for number, (part, block) in enumerate(zip(shares, blocks, strict=True)):
                part /= sums.unsqueeze(1)
                of_queries[number][start : start + rows] = torch.mm(part, scaled[number])
                of_others[number].addmm_(part.T, block, alpha=1 / temperature)
        both = zip(of_queries, of_others, strict=True)
        ctx.save_for_backward(*(gradient for pair in both for gradient in pair))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(saved * gradients[0] for saved in ctx.saved_tensors)
