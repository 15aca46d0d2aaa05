"""The dense all-action loss against a plain loop, for each variant of the item tower."""

import math

import numpy as np
import pytest
import torch

from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import ItemTower, Learn, LearnConfig
from towerflow.training.all_action import AllActionBatch
from towerflow.training.ranks import Ranks
from towerflow.training.step import TrainingStep

TAU = 0.5
EMBEDDINGS = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
HISTORIES = [[0, 1, 2], [4], [6, 0, 5, 8]]
TARGETS = [[3, 7], [3, 1, 5], [2, 7, 4]]
SOURCES = [[0, 2], [0], [1, 2, 3]]  # places that were chosen, user by user
CHOSEN = [[0, 1], [0, 2], [1]]  # users 0 and 1 both have item 3, users 0 and 2 item 7


def tokens(lists: list[list[int]], chosen: list[list[int]]) -> np.ndarray:
    starts = np.cumsum([0, *map(len, lists)])
    return np.array(
        [int(start) + place for start, row in zip(starts, chosen, strict=False) for place in row]
    )


def batch_of(num_users: int) -> AllActionBatch:
    return AllActionBatch(
        ItemLists.from_lists(HISTORIES[:num_users]),
        tokens(HISTORIES, SOURCES[:num_users]),
        ItemLists.from_lists(TARGETS[:num_users]),
        tokens(TARGETS, CHOSEN[:num_users]),
    )


def model_with(item_tower: ItemTower) -> Learn:
    torch.manual_seed(1)
    config = LearnConfig(
        width=8,
        num_layers=2,
        num_heads=2,
        feedforward=8,
        dim=None if item_tower is ItemTower.RAW else 4,
        temperature=TAU,
        item_tower=item_tower,
    )
    return Learn(config, EMBEDDINGS.shape[1], len(EMBEDDINGS)).eval()


def target_vector(model: Learn, user: int, place: int) -> torch.Tensor:
    """Of a user's target: the item alone, or after those that the user took before it."""
    if model.settings.item_tower is ItemTower.SEQUENCE:
        before = ItemLists.from_lists([TARGETS[user][: place + 1]])
        return model.user_vectors(before, EMBEDDINGS)[0]
    return model.item_vectors(EMBEDDINGS)[TARGETS[user][place]]


@torch.inference_mode()
def plain_losses(model: Learn, num_users: int) -> list[float]:
    """One of each pair: the target against those of others that are no item of the user's own."""
    losses = []
    for user in range(num_users):
        own = {TARGETS[user][place] for place in CHOSEN[user]}
        for source in SOURCES[user]:
            read = ItemLists.from_lists([HISTORIES[user][: source + 1]])
            vector = model.user_vectors(read, EMBEDDINGS)[0]
            negatives = sum(
                math.exp(float(vector @ target_vector(model, other, place)) / TAU)
                for other in range(num_users)
                if other != user
                for place in CHOSEN[other]
                if TARGETS[other][place] not in own
            )
            for place in CHOSEN[user]:
                positive = math.exp(float(vector @ target_vector(model, user, place)) / TAU)
                losses.append(-math.log(positive / (positive + negatives)))
    return losses


@pytest.mark.parametrize("item_tower", list(ItemTower))
@pytest.mark.parametrize("num_users", [2, 3])
def test_it_is_the_mean_over_pairs_of_a_plain_loop(item_tower: ItemTower, num_users: int) -> None:
    model = model_with(item_tower)
    expected = plain_losses(model, num_users)
    assert len(expected) == {2: 2 * 2 + 1 * 2, 3: 2 * 2 + 1 * 2 + 3 * 1}[num_users]
    found = TrainingStep(model, EMBEDDINGS, Ranks(), None)(batch_of(num_users), None)
    assert found.item() == pytest.approx(sum(expected) / len(expected), abs=1e-5)


def test_targets_in_sequence_are_other_vectors_than_targets_alone() -> None:
    losses = [
        TrainingStep(model_with(tower), EMBEDDINGS, Ranks(), None)(batch_of(3), None).item()
        for tower in (ItemTower.SEQUENCE, ItemTower.SINGLE)
    ]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_targets_read_but_not_chosen_teach_only_as_context() -> None:
    """Item 7 comes before the chosen item 3: it is read in sequence, and alone it is not."""
    gradients = {}
    for tower in (ItemTower.SEQUENCE, ItemTower.SINGLE):
        embeddings = EMBEDDINGS.clone().requires_grad_()
        # No history has item 7 in it, and nobody chose it.
        batch = AllActionBatch(
            ItemLists.from_lists([[0], [4]]),
            np.array([0, 1]),
            ItemLists.from_lists([[7, 3], [5]]),
            np.array([1, 2]),
        )
        TrainingStep(model_with(tower), embeddings, Ranks(), None)(batch, None).backward()
        assert embeddings.grad is not None
        gradients[tower] = embeddings.grad[7].abs().sum().item()
    assert gradients[ItemTower.SEQUENCE] > 0
    assert gradients[ItemTower.SINGLE] == 0


def test_a_user_alone_in_a_batch_teaches_nothing_and_breaks_nothing() -> None:
    model = model_with(ItemTower.SINGLE)
    found = TrainingStep(model, EMBEDDINGS, Ranks(), None)(batch_of(1), None)
    found.backward()
    assert found.item() == 0
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() == 0
