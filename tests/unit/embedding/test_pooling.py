"""Pooling: texts that stand end to end do not touch one another."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.embedding.pooling import pool
from towerflow.embedding.settings import Pooling

HIDDEN = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0], [11.0, 13.0], [17.0, 19.0]])
LENGTHS = torch.tensor([2, 3])  # one text of the first two tokens, one of the last three


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (Pooling.MEAN, [[(1 + 3) / 2, (2 + 4) / 2], [(5 + 11 + 17) / 3, (7 + 13 + 19) / 3]]),
        (Pooling.LAST, [[3, 4], [17, 19]]),
        (Pooling.CLS, [[1, 2], [5, 7]]),
    ],
)
def test_hand_worked(pooling: Pooling, expected: list[list[float]]) -> None:
    found = pool(HIDDEN, LENGTHS, pooling)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


def test_it_adds_up_in_float32() -> None:
    ones = torch.full((1000, 1), 1.001, dtype=torch.bfloat16)
    found = pool(ones, torch.tensor([1000]), Pooling.MEAN)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(ones[0].float().item())


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    pooling=st.sampled_from(Pooling),
    seed=st.integers(0, 99),
)
def test_a_text_is_pooled_as_if_alone(lengths: list[int], pooling: Pooling, seed: int) -> None:
    hidden = torch.randn(sum(lengths), 3, generator=torch.Generator().manual_seed(seed))
    together = pool(hidden, torch.tensor(lengths), pooling)
    each = [pool(part, torch.tensor([len(part)]), pooling) for part in hidden.split(lengths)]
    torch.testing.assert_close(together, torch.cat(each))
