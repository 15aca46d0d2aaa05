"""Graph models on a GPU: the same losses and weights as on the CPU, up to rounding."""

import pytest
import torch

from tests.unit.training.blocks import (
    NEXT,
    OBJECTIVES,
    build_of,
    first_table,
    settings_of,
    training_of,
)
from towerflow.training.graph import train_graph

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_learns_what_the_cpu_learns(name: str) -> None:
    training = training_of(name)
    build = build_of(settings_of(training))
    there, curve = train_graph(build, training, first_table().cuda(), NEXT)
    here, expected = train_graph(build, training, first_table(), NEXT)
    assert there.is_cuda
    assert [epoch.loss for epoch in curve] == pytest.approx(
        [epoch.loss for epoch in expected], rel=1e-3
    )
    torch.testing.assert_close(there.cpu(), here, atol=1e-2, rtol=1e-2)
    vectors = build(there).item_vectors(build.embeddings)  # the model comes back to the CPU
    assert vectors.device.type == "cpu"
