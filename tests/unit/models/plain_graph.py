"""The graph, LightGCN's vectors and the losses on it in plain NumPy, from formulas."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Lists = Sequence[Sequence[int]]


def adjacency(histories: Lists, num_items: int) -> Floats:
    """`[num_nodes, num_nodes]` with 1 / √(d_user d_item) where a user took an item; users first."""
    num_users = len(histories)
    taken = np.zeros((num_users + num_items, num_users + num_items))
    for user, row in enumerate(histories):
        for item in row:
            taken[user, num_users + item] = taken[num_users + item, user] = 1
    degrees = taken.sum(axis=0)
    weights = np.zeros_like(taken)
    for one, other in zip(*np.nonzero(taken), strict=True):
        weights[one, other] = 1 / math.sqrt(degrees[one] * degrees[other])
    return weights


def layers(matrix: Floats, table: Floats, num_layers: int) -> list[Floats]:
    """The table after 0, 1, … num_layers propagations."""
    return [np.linalg.matrix_power(matrix, k) @ table for k in range(num_layers + 1)]


def final(matrix: Floats, table: Floats, num_layers: int) -> Floats:
    """Mean of the layers."""
    return np.mean(layers(matrix, table, num_layers), axis=0)


def cosine(one: Floats, other: Floats) -> float:
    """Of two vectors."""
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def bpr(users: Floats, positives: Floats, negatives: Floats) -> float:
    """Σ -log σ(u·p - u·n)."""
    total = 0.0
    for user, positive, negative in zip(users, positives, negatives, strict=True):
        margin = float(user @ positive - user @ negative)
        total -= math.log(1 / (1 + math.exp(-margin)))
    return total


def penalty(matrices: Sequence[Floats]) -> float:
    """Σ ‖matrix‖ / rows."""
    lengths = [math.sqrt(sum(float(value) ** 2 for value in rows.flat)) for rows in matrices]
    return sum(lengths) / len(matrices[0])


def contrast(views: Floats, positives: Floats, others: Floats, temperature: float) -> float:
    """Σ -log e^(v·p/τ) / Σ_o e^(v·o/τ) over cosines."""
    total = 0.0
    for view, positive in zip(views, positives, strict=True):
        among = sum(math.exp(cosine(view, other) / temperature) for other in others)
        total -= math.log(math.exp(cosine(view, positive) / temperature) / among)
    return total


def supervised(users: Floats, items: Floats, temperature: float) -> float:
    """Σ -log e^(u·i/τ) / (Σ_u' e^(u·u'/τ) + Σ_i' e^(i·i'/τ)) over cosines."""
    total = 0.0
    for user, item in zip(users, items, strict=True):
        among = sum(math.exp(cosine(user, other) / temperature) for other in users)
        among += sum(math.exp(cosine(item, other) / temperature) for other in items)
        total -= math.log(math.exp(cosine(user, item) / temperature) / among)
    return total
