"""LEARN's user vectors, one user at a time, in blocks, and where there is nobody to know."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models import plain
from tests.unit.models.test_learn import EMBEDDINGS, NUM_ITEMS, config_of, expected_of, made
from towerflow.interactions.histories import ItemLists
from towerflow.models import sequence_model

TOWER = made(config_of())
histories_of_users = st.lists(
    st.lists(st.integers(0, NUM_ITEMS - 1), max_size=7), min_size=1, max_size=6
)


def expected_users(histories: list[list[int]]) -> plain.Floats:
    """By the formulas: output at the last of the last four items; zeros without any."""
    return np.stack(
        [expected_of(TOWER, [row[-4:]])[-1] if row else np.zeros(6) for row in histories]
    )


@given(histories_of_users)
@settings(max_examples=50)
@torch.inference_mode()
def test_a_user_vector_is_the_output_at_the_last_of_the_recent_items(
    histories: list[list[int]],
) -> None:
    found = TOWER.user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
    np.testing.assert_allclose(found.numpy(), expected_users(histories), atol=1e-5)


@torch.inference_mode()
def test_a_user_without_a_history_has_a_zero_vector() -> None:
    vectors = TOWER.user_vectors(ItemLists.from_lists([[], [1]]), EMBEDDINGS)
    assert not vectors[0].any()
    assert vectors[1].norm() == pytest.approx(1.0)


@pytest.mark.parametrize("num_users", [0, 1, 3])
@torch.inference_mode()
def test_when_all_users_are_cold_all_vectors_are_zero(num_users: int) -> None:
    vectors = TOWER.user_vectors(ItemLists.from_lists([[]] * num_users), EMBEDDINGS)
    assert torch.equal(vectors, torch.zeros(num_users, 6))


@pytest.mark.parametrize("at_once", [1, 2, 5])
@torch.inference_mode()
def test_blocks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    histories = [[0, 1, 2], [], [5], [7, 6, 5, 4, 3, 2], [1], [3, 2]]
    monkeypatch.setattr(sequence_model, "USERS_AT_ONCE", at_once)
    found = TOWER.user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
    np.testing.assert_allclose(found.numpy(), expected_users(histories), atol=1e-5)


@torch.inference_mode()
def test_vectors_are_as_long_as_those_of_items() -> None:
    raw = made(config_of(item_tower="raw", dim=None))
    users = raw.user_vectors(ItemLists.from_lists([[0], []]), EMBEDDINGS)
    assert users.shape[1] == raw.item_vectors(EMBEDDINGS).shape[1] == EMBEDDINGS.shape[1]
