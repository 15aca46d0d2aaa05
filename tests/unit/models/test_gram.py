"""Products of tall matrices, block by block."""

import pytest
import torch

from towerflow.models import gram as module
from towerflow.models.gram import gram


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_blocks_add_up(rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    rows, others = (
        torch.randn(7, dim, generator=torch.Generator().manual_seed(dim)) for dim in (3, 2)
    )
    torch.testing.assert_close(gram(rows), rows.double().T @ rows.double())
    torch.testing.assert_close(gram(rows, others), rows.double().T @ others.double())
