"""The connector against ridge regression in plain NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from towerflow.models.connector import MAX_STRETCH, RIDGES, Connector, Ridge


def random(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def fitted(embeddings: Tensor, vectors: Tensor) -> Connector:
    return Ridge.of(embeddings).fit(vectors)


def lengths(vectors: Tensor) -> float:
    """Their mean."""
    return vectors.norm(dim=1).mean().item()


def standardised(embeddings: Tensor) -> np.ndarray:
    inputs = embeddings.double().numpy()
    spread = inputs.std(axis=0)
    centred: np.ndarray = (inputs - inputs.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    return centred


def best_ridge(inputs: np.ndarray, targets: np.ndarray) -> float:
    """Of those that are tried, the least n RSS / (n - tr H)², where H has the mean in it too."""
    num_rows = len(inputs)
    gram = inputs.T @ inputs
    errors = {}
    for factor in RIDGES:
        ridge = factor * np.trace(gram) / len(gram)
        inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)))
        hat = inputs @ inverse @ inputs.T + np.full((num_rows, num_rows), 1 / num_rows)
        residual = targets - hat @ targets
        errors[ridge] = num_rows * (residual**2).sum() / (num_rows - np.trace(hat)) ** 2
    return float(min(errors, key=lambda ridge: errors[ridge]))


def plain(embeddings: Tensor, vectors: Tensor) -> np.ndarray:
    """What the regression gives for its own inputs, stretched to the length of the vectors."""
    inputs, targets = standardised(embeddings), vectors.double().numpy()
    ridge, mean = best_ridge(inputs, targets), targets.mean(axis=0)
    gram = inputs.T @ inputs + ridge * np.eye(inputs.shape[1])
    predicted = mean + inputs @ np.linalg.solve(gram, inputs.T @ (targets - mean))
    stretch = np.linalg.norm(targets, axis=1).mean() / np.linalg.norm(predicted, axis=1).mean()
    stretched: np.ndarray = predicted * min(stretch, MAX_STRETCH)
    return stretched


@given(st.integers(4, 30), st.integers(1, 6), st.integers(1, 4), st.floats(0, 3), st.integers(0, 9))
def test_it_is_the_ridge_regression_of_the_least_generalised_error(
    rows: int, width: int, dim: int, noise: float, seed: int
) -> None:
    embeddings = random(rows, width, seed) * 3 + 2
    vectors = embeddings @ random(width, dim, seed + 1) + noise * random(rows, dim, seed + 2)
    found = fitted(embeddings, vectors)
    assert (found.weight.shape, found.bias.shape) == ((width, dim), (dim,))
    expected = plain(embeddings, vectors)
    np.testing.assert_allclose(found(embeddings).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_planted_map_is_found_again_and_holds_for_new_items() -> None:
    """Up to the shrinkage of the smallest ridge, a hundredth."""
    scale, shift = torch.tensor([1.0, 50.0, 0.02, 3.0]), torch.tensor([0.0, -9.0, 4.0, 1.0])
    weight, bias = random(4, 3, 1) / scale.unsqueeze(1), torch.tensor([7.0, 0.0, -2.0])
    old, new = (random(count, 4, seed) * scale + shift for count, seed in ((60, 2), (30, 3)))
    connector = fitted(old, old @ weight + bias)
    expected = new @ weight + bias
    error = (connector(new) - expected).square().sum()
    assert error < 0.02**2 * (expected - expected.mean(dim=0)).square().sum()
    per_scale = scale.unsqueeze(1)
    torch.testing.assert_close(connector.weight * per_scale, weight * per_scale, atol=0.03, rtol=0)


def test_from_noise_nothing_but_the_mean_is_learnt() -> None:
    """As long as the vectors are: the mean is shorter by a little."""
    embeddings, vectors, other = random(80, 30, 1), random(80, 4, 2) + 5, random(50, 30, 3)
    mean = vectors.mean(dim=0)
    away = fitted(embeddings, vectors)(other) - mean / mean.norm() * lengths(vectors)
    assert away.abs().max() < 0.05 * vectors.std()
    unridged = torch.linalg.lstsq(embeddings, vectors - mean).solution
    assert (other @ unridged).abs().max() > vectors.std()  # else this says nothing


@given(st.integers(0, 20), st.floats(0, 3))
def test_what_is_predicted_is_as_long_as_the_vectors(seed: int, origin: float) -> None:
    """A regression shrinks, and a dot product would take that for a worse item."""
    embeddings = random(12, 4, seed)
    vectors = embeddings @ random(4, 3, seed + 1) + random(12, 3, seed + 2) + origin
    found = fitted(embeddings, vectors)(embeddings)
    assert lengths(found) == pytest.approx(lengths(vectors), rel=1e-4)


def test_what_is_known_of_the_embeddings_serves_for_other_vectors() -> None:
    """As when training goes on: an earlier fit leaves nothing behind."""
    embeddings, vectors = random(12, 4, 1), [random(12, 3, seed) for seed in (2, 3)]
    ridge = Ridge.of(embeddings)
    for one in (*vectors, vectors[0]):
        found, expected = ridge.fit(one), fitted(embeddings, one)
        assert torch.equal(found.weight, expected.weight)
        assert torch.equal(found.bias, expected.bias)


def test_more_dimensions_than_items_are_no_obstacle() -> None:
    """The targets follow one direction that the embeddings vary in most."""
    along = random(40, 1, 1)
    embeddings = along @ random(1, 60, 2) + 0.1 * random(40, 60, 3)
    vectors = along @ random(1, 3, 4) + 1
    connector = fitted(embeddings[:20], vectors[:20])
    error = (connector(embeddings[20:]) - vectors[20:]).square().mean()
    assert error < 0.05 * vectors.var()
    np.testing.assert_allclose(
        connector(embeddings[:20]).numpy(), plain(embeddings[:20], vectors[:20]), atol=1e-3
    )


@given(st.integers(0, 20))
def test_neither_scale_nor_origin_of_the_embeddings_matters(seed: int) -> None:
    old, new, vectors = random(12, 4, seed), random(5, 4, seed + 1), random(12, 2, seed + 2)
    scale, shift = torch.tensor([2.0, 0.1, -30.0, 5.0]), torch.tensor([1.0, 0.0, 40.0, -3.0])
    found = fitted(old * scale + shift, vectors)(new * scale + shift)
    torch.testing.assert_close(found, fitted(old, vectors)(new), atol=1e-3, rtol=1e-3)


@given(st.integers(0, 20))
def test_vectors_that_are_longer_are_predicted_so(seed: int) -> None:
    embeddings, vectors = random(12, 4, seed), random(12, 2, seed + 2)
    found = fitted(embeddings, vectors * 8)(embeddings)
    expected = fitted(embeddings, vectors)(embeddings) * 8
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_the_mean_of_the_embeddings_has_the_direction_of_the_mean_vector() -> None:
    embeddings, vectors = random(15, 4, 1) + 9, random(15, 3, 2)
    found = fitted(embeddings, vectors)(embeddings.mean(dim=0, keepdim=True))[0]
    mean = vectors.mean(dim=0)
    torch.testing.assert_close(found / found.norm(), mean / mean.norm(), atol=1e-4, rtol=1e-4)


def test_a_dimension_that_is_constant_has_no_say() -> None:
    embeddings, vectors = random(15, 4, 1), random(15, 3, 2)
    embeddings[:, 2] = 0.25
    connector = fitted(embeddings, vectors)
    assert connector.weight.isfinite().all()
    assert not connector.weight[2].any()


@pytest.mark.parametrize("rows", [1, 2])
def test_items_that_are_all_alike_have_the_mean_of_their_vectors_at_their_length(rows: int) -> None:
    embeddings, vectors = torch.ones(rows, 4), random(rows, 3, 2)
    connector, mean = fitted(embeddings, vectors), vectors.mean(dim=0)
    expected = mean / mean.norm() * lengths(vectors)
    for other in (torch.ones(1, 4), torch.zeros(1, 4)):
        torch.testing.assert_close(connector(other)[0], expected)


def test_vectors_of_no_length_are_predicted_as_zero() -> None:
    found = fitted(random(5, 4, 1), torch.zeros(5, 3))
    assert not found(random(3, 4, 2)).any()


def test_it_is_a_matrix_and_a_shift() -> None:
    connector = Connector(torch.tensor([[1.0, 0.0], [2.0, -1.0]]), torch.tensor([5.0, 6.0]))
    assert connector(torch.tensor([[1.0, 10.0]])).tolist() == [[1 + 20 + 5, -10 + 6]]
