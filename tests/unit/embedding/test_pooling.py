"""Mean pooling: padding never changes a vector."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.embedding.pooling import mean_pool


def test_the_mean_is_over_real_tokens() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert mean_pool(hidden, mask).tolist() == [[(1 + 3) / 2, (2 + 4) / 2]]


@given(
    length=st.integers(1, 5),
    padding=st.integers(0, 4),
    filling=st.sampled_from([0.0, 1e30, float("nan"), float("inf")]),
    seed=st.integers(0, 99),
)
def test_neither_amount_nor_content_of_padding_matters(
    length: int, padding: int, filling: float, seed: int
) -> None:
    hidden = torch.randn(2, length, 3, generator=torch.Generator().manual_seed(seed))
    padded = torch.cat([hidden, torch.full((2, padding, 3), filling)], dim=1)
    mask = torch.tensor([[1] * length + [0] * padding] * 2)
    alone = mean_pool(hidden, torch.ones(2, length))
    torch.testing.assert_close(mean_pool(padded, mask), alone)
