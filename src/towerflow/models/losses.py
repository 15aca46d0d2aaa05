"""Losses as compositions of small transforms of logits `[num_positions, num_candidates]`.

A position is a user vector that must find its target; candidates are the item vectors it is found
among. `hidden` masks say which candidates are no negatives of a position.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor


def scores(user_vectors: Tensor, item_vectors: Tensor, temperature: float) -> Tensor:
    """Dot products over τ: `[num_positions, dim]` × `[num_candidates, dim]`."""
    return user_vectors @ (item_vectors / temperature).T


def hide(logits: Tensor, hidden: Tensor) -> Tensor:
    """Leave out the candidates where `hidden` `[num_positions, num_candidates]` is true."""
    return logits.masked_fill(hidden, -torch.inf)


def correct_log_q(logits: Tensor, log_q: Tensor) -> Tensor:
    """Subtract `log_q` `[num_candidates]`, the log of how likely each was to be a candidate.

    So that popular items, which are drawn more often, aren't punished for it (Bengio and Senécal
    2008; Yi et al., RecSys 2019). Not in LEARN.
    """
    return logits - log_q


def accidental_hits(candidates: Tensor, columns: Tensor) -> Tensor:
    """Where another candidate is the position's own target again.

    Source: LEARN's public pre-training code, which hides equal targets of the batch.

    Args:
        candidates: `[num_candidates]` item indices.
        columns: `[num_positions]` column of each position's target.
    """
    hits = candidates[columns].unsqueeze(1) == candidates.unsqueeze(0)
    return hits.scatter(1, columns.unsqueeze(1), value=False)


def same_user_hits(candidates: Tensor, columns: Tensor, users: Tensor, num_users: int) -> Tensor:
    """Where a candidate is an item that another position of the same user must find.

    Args:
        candidates: `[num_candidates]` item indices.
        columns: `[num_positions]` column of each position's target.
        users: `[num_positions]`, 0 … num_users - 1.
        num_users: of the batch.
    """
    distinct, item = torch.unique(candidates, return_inverse=True)
    taken = torch.zeros(num_users, len(distinct), dtype=torch.bool, device=users.device)
    taken[users, item[columns]] = True
    return taken[users][:, item].scatter(1, columns.unsqueeze(1), value=False)


def softmax_loss(logits: Tensor, columns: Tensor) -> Tensor:
    """Sum over positions of `-log softmax(logits)[target]`."""
    return F.cross_entropy(logits, columns, reduction="sum")


def all_action_loss(
    user_vectors: Tensor,
    users: Tensor,
    target_vectors: Tensor,
    target_users: Tensor,
    target_items: Tensor,
    num_users: int,
    temperature: float,
) -> Tensor:
    """LEARN's dense all-action loss, summed over all pairs of one user's positions and targets.

    For user i, position j and target k, with s = cosine / τ and z over the other users:
    `-log e^s(u_ij, e_ik) / (e^s(u_ij, e_ik) + Σ_z Σ_k' e^s(u_ij, e_zk'))`.
    Other users' targets that are an item among i's own targets aren't negatives.

    Source: LEARN (arXiv 2405.03988), loss over N_h × N_t pairs; the exclusion of equal items is
    that of its public code.

    Args:
        user_vectors: `[num_positions, dim]`.
        users: `[num_positions]`, 0 … num_users - 1.
        target_vectors: `[num_targets, dim]`.
        target_users: `[num_targets]`.
        target_items: `[num_targets]`.
        num_users: of the batch.
        temperature: τ.
    """
    logits = scores(user_vectors, target_vectors, temperature)
    distinct, item = torch.unique(target_items, return_inverse=True)
    taken = torch.zeros(num_users, len(distinct), dtype=torch.bool, device=users.device)
    taken[target_users, item] = True
    negatives = hide(logits, taken[users][:, item]).logsumexp(dim=1)
    position, target = torch.nonzero(users.unsqueeze(1) == target_users, as_tuple=True)
    return F.softplus(negatives[position] - logits[position, target]).sum()
