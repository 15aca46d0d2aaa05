"""Standardising centres, scales, and leaves constant dimensions alone."""

import torch

from towerflow.models.standardise import Standardise


def test_the_catalogue_gets_mean_zero_and_spread_one() -> None:
    embeddings = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)) * 5 + 3
    standard = Standardise.fit(embeddings)(embeddings)
    torch.testing.assert_close(standard.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(4))


def test_a_constant_dimension_becomes_zero_not_nan() -> None:
    embeddings = torch.tensor([[1.0, 7.0], [3.0, 7.0]])
    assert Standardise.fit(embeddings)(embeddings).tolist() == [[-1, 0], [1, 0]]
