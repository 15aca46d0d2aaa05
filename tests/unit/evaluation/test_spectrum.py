"""Spectra of tables: hand-worked singular values, and the laws of the two numbers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation.spectrum import NUM_POINTS, singular_values, spectrum


def test_orthogonal_columns_have_their_lengths_as_singular_values() -> None:
    """Lengths 4, 2, 1, 1: abundance (4 + 2 + 1 + 1) / 4; rank exp of the entropy of shares."""
    found = spectrum("t", torch.diag(torch.tensor([1.0, 4.0, 2.0, 1.0])))
    assert (found.dim, found.information_abundance) == (4, pytest.approx(2.0))
    entropy = -(0.5 * math.log(0.5) + 0.25 * math.log(0.25) + 2 * 0.125 * math.log(0.125))
    assert found.effective_rank == pytest.approx(math.exp(entropy))
    assert found.singular_values == pytest.approx([1.0, 0.5, 0.25, 0.25])


def test_a_line_has_collapsed_to_one() -> None:
    line = torch.arange(1.0, 11).unsqueeze(1) * torch.tensor([[1.0, -2.0, 3.0]])
    found = spectrum("t", line)
    assert found.information_abundance == pytest.approx(1.0)
    assert found.effective_rank == pytest.approx(1.0)


def test_zeros_carry_nothing_and_break_nothing() -> None:
    found = spectrum("t", torch.zeros(5, 3))
    assert (found.information_abundance, found.effective_rank) == (0, 0)
    assert found.singular_values == []


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 5))
def test_they_are_numpys_and_no_scaling_changes_what_they_say(n: int, d: int, seed: int) -> None:
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    expected = np.zeros(d)
    expected[: min(n, d)] = np.linalg.svd(rows.double().numpy(), compute_uv=False)
    assert singular_values(rows) == pytest.approx(expected, abs=1e-6 * expected[0])
    one, other = spectrum("t", rows), spectrum("t", rows * 1000)
    assert other.information_abundance == pytest.approx(one.information_abundance, rel=1e-4)
    assert 1 - 1e-9 <= one.effective_rank <= d + 1e-9
    assert 1 - 1e-9 <= one.information_abundance <= d + 1e-9


def test_a_wide_table_keeps_so_many_points_from_first_to_last() -> None:
    found = spectrum("t", torch.diag(torch.arange(300.0, 0, -1)))
    assert len(found.singular_values) == NUM_POINTS
    assert found.singular_values[0] == 1.0
    assert found.singular_values[-1] == pytest.approx(1 / 300)
