"""Training learns a planted pattern by every objective, repeatably, and leaves the rest alone."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training.circle import (
    CONFIG,
    EMBEDDINGS,
    HISTORIES,
    LOG,
    NEXT,
    NOBODY,
    NUM_ITEMS,
    TRAINING,
    ndcg,
    new_model,
    same_weights,
    train,
)
from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import ItemInput, ItemTower
from towerflow.models.popularity import Popularity
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.config import (
    AllAction,
    Candidates,
    Cut,
    NextItem,
    OneTarget,
    SoftmaxConfig,
)
from towerflow.training.loop import TrainingLog, train_model

TWO_EPOCHS = TRAINING.model_copy(update={"epochs": 2})
IN_BATCH = SoftmaxConfig(candidates=Candidates.IN_BATCH, log_q=True)
SAMPLED = SoftmaxConfig(candidates=Candidates.SAMPLED, num_negatives=5, log_q=True)


def test_it_learns_where_the_circle_goes() -> None:
    model, curve = train()
    assert curve[-1].loss < 0.5 * curve[0].loss
    assert ndcg(model) > 0.9 > ndcg(Popularity.fit(HISTORIES, NUM_ITEMS)) + 0.3


@pytest.mark.parametrize(
    ("objective", "batch_size", "least"),
    [
        (NextItem(softmax=IN_BATCH), 40, 0.9),
        (NextItem(softmax=SAMPLED), 40, 0.9),
        (NextItem(softmax=SoftmaxConfig(exclude_same_user=True)), 40, 0.8),
        (OneTarget(), 8, 0.8),
        # Several later items are right at once, so the very next one is not always the first.
        (AllAction(cut=Cut.RANDOM), 20, 0.6),
    ],
)
def test_every_objective_learns_it(
    objective: NextItem | OneTarget | AllAction, batch_size: int, least: float
) -> None:
    changes = {"objective": objective, "batch_size": batch_size}
    model, curve = train(TRAINING.model_copy(update=changes))
    assert curve[-1].loss < curve[0].loss
    untrained = ndcg(new_model())
    assert ndcg(model) > least > untrained + 0.1


@pytest.mark.parametrize("item_input", list(ItemInput))
def test_learn_learns_it_from_content_ids_or_both(item_input: ItemInput) -> None:
    model = new_model(CONFIG.model_copy(update={"item_input": item_input}))
    assert ndcg(train(model=model)[0]) > 0.8


@pytest.mark.parametrize("item_tower", [ItemTower.SEQUENCE, ItemTower.SINGLE])
def test_all_action_learns_by_a_timestamp_too(item_tower: ItemTower) -> None:
    objective = AllAction(cut=Cut.TIMESTAMP, target_share=0.4)
    training = TRAINING.model_copy(update={"objective": objective, "batch_size": 20})
    model = new_model(CONFIG.model_copy(update={"item_tower": item_tower}))
    untrained = ndcg(model)
    _, curve = train(training, model=model)
    assert curve[-1].loss < curve[0].loss
    assert ndcg(model) > untrained + 0.1


def test_sasrec_learns_it_by_ids_alone() -> None:
    torch.manual_seed(0)
    config = SASRecConfig(width=16, num_layers=1, num_heads=2, feedforward=16, dropout=0.0)
    model, curve = train(model=SASRec(config, NUM_ITEMS))
    assert curve[-1].loss < 0.5 * curve[0].loss
    assert ndcg(model) > 0.9


def test_a_loss_is_the_mean_of_the_steps_of_its_pass() -> None:
    """A rate next to nothing leaves the weights: the loss is that of the untrained model."""
    still = TRAINING.model_copy(update={"epochs": 1, "learning_rate": 1e-12})
    whole, parts = (
        train(still.model_copy(update={"batch_size": size}))[1][0].loss for size in (200, 40)
    )
    assert parts == pytest.approx(whole, abs=1e-4)  # all steps have as many targets


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before() -> None:
    config = CONFIG.model_copy(update={"dropout": 0.2})
    trained = []
    for drawn_before in (3, 5):
        model = new_model(config)
        torch.manual_seed(drawn_before)
        np.random.seed(drawn_before)
        trained.append(train(TWO_EPOCHS, model=model)[0])
    assert same_weights(*trained)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_another_seed_gives_other_weights(dropout: float) -> None:
    config = CONFIG.model_copy(update={"dropout": dropout})
    one, other = (
        train(TWO_EPOCHS.model_copy(update={"seed": seed}), model=new_model(config))[0]
        for seed in (0, 1)
    )
    assert not same_weights(one, other)


@pytest.mark.parametrize(("batch_size", "dropout"), [(30, 0.0), (200, 0.3)])
def test_passes_differ_in_order_and_in_what_is_dropped(batch_size: int, dropout: float) -> None:
    """Weights hardly move here: what differs is what batches have, or what one batch drops."""
    changes = {"epochs": 3, "learning_rate": 1e-12, "batch_size": batch_size}
    model = new_model(CONFIG.model_copy(update={"dropout": dropout}))
    _, curve = train(TRAINING.model_copy(update=changes), model=model)
    losses = sorted(epoch.loss for epoch in curve)
    assert all(other - one > 1e-5 for one, other in itertools.pairwise(losses))


@pytest.mark.parametrize(("norm", "moves_less"), [(None, False), (1e-9, True)])
def test_long_gradients_are_cut_or_left(norm: float | None, moves_less: bool) -> None:
    """AdamW takes equal steps whatever the scale, but for a gradient below its epsilon."""
    before = new_model().state_dict()
    model, _ = train(TWO_EPOCHS.model_copy(update={"max_gradient_norm": norm}))
    moved = max(
        (tensor - before[name]).abs().max().item() for name, tensor in model.state_dict().items()
    )
    assert (moved < 1e-3) == moves_less


def test_weight_decay_pulls_weights_to_zero() -> None:
    sizes = []
    for weight_decay in (0.0, 5.0):
        model, _ = train(TWO_EPOCHS.model_copy(update={"weight_decay": weight_decay}))
        sizes.append(sum(p.square().sum().item() for p in model.parameters()))
    assert sizes[1] < 0.9 * sizes[0]


def test_no_epochs_leave_the_weights_as_they_are() -> None:
    model, curve = train(TRAINING.model_copy(update={"epochs": 0}))
    assert curve == []
    assert same_weights(model, new_model())
    assert not model.training


@pytest.mark.parametrize(
    ("objective", "name", "hint"),
    [
        (NextItem(), "next_item", "kept for validation"),
        (OneTarget(), "one_target", "min_items and max_items"),
        (AllAction(), "all_action", "a cut at random"),
        (AllAction(cut=Cut.RANDOM), "all_action", "a cut at random"),
    ],
)
def test_nobody_to_learn_from_is_said(
    objective: NextItem | OneTarget | AllAction, name: str, hint: str
) -> None:
    single = TrainingLog(ItemLists.from_lists([[0], [1], []]), np.array([1.0, 2.0]), NUM_ITEMS)
    training = TRAINING.model_copy(update={"objective": objective})
    expected = f"users that objective {name} can learn from, found none.*{hint}"
    with pytest.raises(InputError, match=expected):
        train_model(new_model(), training, single, EMBEDDINGS, NOBODY)


def test_a_loss_that_is_not_finite_ends_training_before_it_is_kept(tmp_path: Path) -> None:
    kept, told = Checkpoint(str(tmp_path / "state")), list[Epoch]()
    broken = EMBEDDINGS.clone()
    broken[3] = torch.nan
    with pytest.raises(InputError, match=r"epoch 1: expected a finite loss, found nan.*lower"):
        train_model(new_model(), TWO_EPOCHS, LOG, broken, NEXT, kept, told.append)
    assert told == []
    assert list(tmp_path.iterdir()) == []


def test_each_epoch_is_told_as_it_ends() -> None:
    told: list[Epoch] = []
    curve = train_model(new_model(), TWO_EPOCHS, LOG, EMBEDDINGS, NEXT, on_epoch=told.append)
    assert told == curve
    assert [epoch.number for epoch in curve] == [1, 2]


def test_embeddings_and_what_standardises_them_stay_frozen() -> None:
    embeddings = EMBEDDINGS.clone()
    model = new_model()
    model.standardise.mean += 0.5
    frozen = {name: buffer.clone() for name, buffer in model.named_buffers()}
    train_model(model, TWO_EPOCHS, LOG, embeddings, NEXT)
    assert torch.equal(embeddings, EMBEDDINGS)
    assert embeddings.grad is None
    assert set(frozen) == {"standardise.mean", "standardise.scale"}
    assert all(torch.equal(buffer, frozen[name]) for name, buffer in model.named_buffers())
    assert not model.training


def test_popularity_is_that_of_what_can_be_a_target() -> None:
    histories = ItemLists.from_lists([[0, 1, 1], [], [2], [0, 3]])
    popularity = TrainingLog(histories, np.zeros(6), 5).popularity()
    assert popularity.tolist() == pytest.approx([0, 2 / 3, 0, 1 / 3, 0])
