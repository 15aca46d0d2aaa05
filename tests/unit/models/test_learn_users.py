"""LEARN's user vectors, one user at a time, in blocks, and where there is nobody to know."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.models import learn
from towerflow.models.learn import Learn, LearnConfig

NUM_ITEMS, EMBEDDING_DIM = 8, 5
EMBEDDINGS = torch.randn(NUM_ITEMS, EMBEDDING_DIM, generator=torch.Generator().manual_seed(1))


def tower(num_layers: int) -> Learn:
    """Random weights, reads at most the last four items."""
    torch.manual_seed(2)
    config = LearnConfig(
        width=8, num_layers=num_layers, num_heads=2, feedforward=12, dim=6, max_history=4
    )
    return Learn(config, EMBEDDING_DIM).eval()


TOWER = tower(num_layers=2)


def alone(history: list[int]) -> torch.Tensor:
    """The vector of one user from the formula: output at the last of the last four items."""
    if not history:
        return torch.zeros(TOWER.settings.dim)
    return TOWER(EMBEDDINGS[history[-4:]].unsqueeze(0))[0, -1]


@given(st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), max_size=7), min_size=1, max_size=6))
@torch.inference_mode()
def test_all_users_at_once_equal_one_user_at_a_time(histories: list[list[int]]) -> None:
    if not any(histories):
        histories = [*histories, [0]]
    found = TOWER.user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
    torch.testing.assert_close(found, torch.stack([alone(history) for history in histories]))


@torch.inference_mode()
def test_blocks_of_users_and_items_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = [[0, 1, 2], [], [5], [7, 6, 5, 4, 3, 2], [1], [3, 2]]
    monkeypatch.setattr(learn, "USERS_AT_ONCE", 2)
    monkeypatch.setattr(learn, "ITEMS_AT_ONCE", 3)
    users = TOWER.user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
    torch.testing.assert_close(users, torch.stack([alone(history) for history in histories]))
    items = TOWER.item_vectors(EMBEDDINGS)
    torch.testing.assert_close(items, torch.stack([alone([item]) for item in range(NUM_ITEMS)]))


@pytest.mark.parametrize("num_users", [1, 3])
@torch.inference_mode()
def test_when_all_users_are_cold_all_vectors_are_zero(num_users: int) -> None:
    vectors = TOWER.user_vectors(ItemLists.from_lists([[]] * num_users), EMBEDDINGS)
    assert torch.equal(vectors, torch.zeros(num_users, TOWER.settings.dim))


@torch.inference_mode()
def test_order_enters_by_the_causal_mask_alone() -> None:
    """One layer sees what came before as a set; only what a second sees depends on its order."""
    histories = ItemLists.from_lists([[0, 1, 2, 3], [2, 0, 1, 3]])
    one, other = tower(num_layers=1).user_vectors(histories, EMBEDDINGS)
    torch.testing.assert_close(one, other)
    one, other = tower(num_layers=2).user_vectors(histories, EMBEDDINGS)
    assert not torch.allclose(one, other, atol=1e-3)


def test_dropout_is_at_work_in_training_alone() -> None:
    sequence = EMBEDDINGS.unsqueeze(0)
    model = tower(num_layers=1)
    assert torch.equal(model(sequence), model(sequence))
    model.train()
    assert not torch.equal(model(sequence), model(sequence))
