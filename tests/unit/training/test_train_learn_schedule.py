"""The schedule of the learning rate, and the loss of a window."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import Learn, LearnConfig
from towerflow.training.batches import batches
from towerflow.training.train_learn import (
    TrainingConfig,
    num_batches,
    warmup_cosine,
    window_loss,
)


@given(st.integers(1, 300), st.floats(0, 0.99))
def test_the_rate_rises_to_its_peak_and_falls_to_the_end(steps: int, warmup_share: float) -> None:
    factors = [warmup_cosine(step, steps, warmup_share) for step in range(steps)]
    warmup = max(1, round(steps * warmup_share))
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[warmup - 1] == 1
    assert all(one < other for one, other in itertools.pairwise(factors[:warmup]))
    assert all(one >= other for one, other in itertools.pairwise(factors[warmup:]))


@given(st.integers(1, 300), st.floats(0, 0.9), st.integers(0, 50))
def test_after_the_end_the_rate_stays_zero(steps: int, warmup_share: float, later: int) -> None:
    end = max(steps, max(1, round(steps * warmup_share)) + 1)  # a single step is all warm-up
    assert warmup_cosine(end + later, steps, warmup_share) == pytest.approx(0, abs=1e-12)


def test_the_cosine_at_its_quarters() -> None:
    falling = [warmup_cosine(10 + 90 * quarter // 4, 100, 0.1) for quarter in (0, 2, 4)]
    assert falling == pytest.approx([(1 + math.cos(math.pi * x)) / 2 for x in (0, 1 / 2, 1)])


@given(
    st.lists(st.integers(0, 130), min_size=1, max_size=20), st.integers(1, 4), st.integers(0, 99)
)
def test_the_planned_steps_of_an_epoch_are_the_steps_taken(
    lengths: list[int], batch_size: int, seed: int
) -> None:
    """Else the rate is zero long before the last epoch, or never falls."""
    histories = ItemLists.from_lists([list(range(length)) for length in lengths])
    taken = sum(1 for _ in batches(histories, 50, batch_size, np.random.default_rng(seed)))
    assert num_batches(histories, 50, TrainingConfig(batch_size=batch_size)) == taken


EMBEDDINGS = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> Learn:
    """A small tower that does not drop anything."""
    torch.manual_seed(1)
    return Learn(
        LearnConfig(width=8, num_layers=2, num_heads=2, feedforward=8, dim=4, temperature=0.5), 4
    ).eval()


def test_the_loss_of_a_window_is_that_of_each_next_item_after_what_came_before(
    model: Learn,
) -> None:
    rows = [[0, 1, 2, 3], [4, 5], [6, 0, 6]]
    losses = []
    with torch.inference_mode():
        items = model.item_vectors(EMBEDDINGS)
        for row in rows:
            for place in range(1, len(row)):
                user = model(EMBEDDINGS[row[:place]].unsqueeze(0))[0, -1]
                scores = (items @ user / 0.5).tolist()
                losses.append(math.log(sum(map(math.exp, scores))) - scores[row[place]])
    window = ItemLists.from_lists(rows).padded(fill=-1)
    assert len(losses) == 3 + 1 + 2
    assert window_loss(model, EMBEDDINGS, window).item() == pytest.approx(
        sum(losses) / len(losses), abs=1e-5
    )


def test_more_padding_does_not_change_the_loss_of_a_window(model: Learn) -> None:
    window = np.array([[0, 1, 2], [3, 4, -1]])
    wider = np.pad(window, ((0, 0), (0, 3)), constant_values=-1)
    narrow_loss = window_loss(model, EMBEDDINGS, window)
    torch.testing.assert_close(window_loss(model, EMBEDDINGS, wider), narrow_loss)


def test_both_towers_learn_from_a_window(model: Learn) -> None:
    """Users read items 0 and 1 alone; the gradient of the others comes through the item tower."""
    embeddings = EMBEDDINGS.clone().requires_grad_()
    window_loss(model, embeddings, np.array([[0, 1, 2]])).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum(dim=1).gt(0).all()
