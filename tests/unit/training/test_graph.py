"""Every loss on the graph learns who belongs together, repeatably, and goes on after a stop."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training.blocks import (
    COSINE,
    DIM,
    EDGES,
    EMBEDDINGS,
    GROUP,
    HISTORIES,
    LIGHTGCN,
    NEXT,
    NOBODY,
    NUM_ITEMS,
    NUM_USERS,
    OBJECTIVES,
    OTHER_GROUP,
    USERS,
    build_of,
    first_table,
    model_of,
    settings_of,
    train,
    training_of,
)
from towerflow.errors import InputError
from towerflow.evaluation.protocol import Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Adjacency, Edges
from towerflow.models.graph_cf import GraphCFConfig
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.graph import ModelOfTables, train_graph
from towerflow.training.graph_batches import EdgeSampler
from towerflow.training.graph_config import (
    Contrast,
    GraphTrainingConfig,
    LightGCNLoss,
    Negatives,
    SGLLoss,
)
from towerflow.training.graph_step import GraphStep
from towerflow.training.loop import validation_score

every_objective = pytest.mark.parametrize("name", OBJECTIVES)
STILL = 1e-12  # a learning rate that leaves the rows as they are


class InterruptionError(Exception):
    """A pod that is taken away."""


def share_of_own_group(table: torch.Tensor, settings: GraphCFConfig, judged: Task = NEXT) -> float:
    """Of the four items that come first. Everybody has taken four of the group and not four."""
    found = evaluate_model(model_of(table, settings), EMBEDDINGS, judged, (4,)).recommended
    return float((found // GROUP == USERS[:, None] % 2).mean())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {}) for name in OBJECTIVES),
        ("lightgcn", {"objective": LightGCNLoss(negatives=Negatives.OTHERS)}),
        ("sgl", {"objective": SGLLoss(contrast=Contrast.BATCH)}),
    ],
)
@pytest.mark.parametrize(("num_layers", "least"), [(1, 0.8), (2, 0.97), (3, 0.97)])
def test_users_are_given_what_others_of_their_group_took(
    name: str, changes: dict[str, object], num_layers: int, least: float
) -> None:
    """At random a third would be."""
    training = training_of(name, epochs=20, **changes)
    settings = settings_of(training).model_copy(update={"num_layers": num_layers})
    table, curve = train_graph(build_of(settings), training, first_table(), NOBODY)
    assert curve[-1].loss < curve[0].loss
    assert share_of_own_group(first_table(), settings) < 0.4
    assert share_of_own_group(table, settings) > least


@every_objective
def test_without_layers_users_are_told_what_they_took(name: str) -> None:
    """Nothing is known of the others: at random a half would be of the own group."""
    again = replace(NEXT, seen=HISTORIES.last(0))
    training = training_of(name, epochs=20)
    settings = settings_of(training).model_copy(update={"num_layers": 0})
    table, _ = train_graph(build_of(settings), training, first_table(), NOBODY)
    assert share_of_own_group(first_table(), settings, again) < 0.6
    assert share_of_own_group(table, settings, again) > 0.95


@every_objective
def test_the_same_seed_gives_the_same_rows_to_the_bit(name: str) -> None:
    training = training_of(name, epochs=2)
    trained = []
    for drawn_before in (3, 5):
        torch.manual_seed(drawn_before)
        np.random.seed(drawn_before)
        trained.append(train(training))
    (one, curve), (other, its_curve) = trained
    assert torch.equal(one, other)
    assert curve == its_curve


@every_objective
def test_another_seed_gives_other_rows(name: str) -> None:
    one, other = (train(training_of(name, epochs=2, seed=seed))[0] for seed in (0, 1))
    assert not torch.equal(one, other)


@every_objective
@pytest.mark.parametrize("after", [1, 3])
def test_a_run_that_goes_on_ends_as_one_that_never_stopped(
    tmp_path: Path, name: str, after: int
) -> None:
    training = training_of(name, epochs=4)
    checkpoint = Checkpoint(str(tmp_path / "state.safetensors"))

    def stop(epoch: Epoch) -> None:
        if epoch.number == after:
            raise InterruptionError

    settings = settings_of(training)
    with pytest.raises(InterruptionError):
        train_graph(build_of(settings), training, first_table(), NEXT, checkpoint, stop)
    whole, curve = train(training)
    again, its_curve = train(training, first=first_table(9), checkpoint=checkpoint)
    assert its_curve == curve
    assert torch.equal(again, whole)


@every_objective
def test_four_epochs_after_two_are_four_epochs(tmp_path: Path, name: str) -> None:
    checkpoint = Checkpoint(str(tmp_path / "state.safetensors"))
    train(training_of(name, epochs=2), validation=NOBODY, checkpoint=checkpoint)
    four = training_of(name, epochs=4)
    again, its_curve = train(four, validation=NOBODY, checkpoint=checkpoint)
    whole, curve = train(four, validation=NOBODY)
    assert its_curve == curve
    assert torch.equal(again, whole)
    assert not torch.equal(train(training_of(name, epochs=2), validation=NOBODY)[0], whole)


def test_what_is_left_is_the_best_epoch() -> None:
    """What is asked for here is found less and less."""
    table, curve = train(validation=OTHER_GROUP)
    scores = [epoch.validation for epoch in curve]
    assert scores[-1] < max(scores)
    found = validation_score(model_of(table), EMBEDDINGS, OTHER_GROUP)
    assert found == pytest.approx(max(scores))


def test_patience_counts_from_the_best_epoch() -> None:
    _, whole = train(validation=OTHER_GROUP)
    _, stopped = train(training_of("lightgcn", patience=2), validation=OTHER_GROUP)
    scores = [epoch.validation for epoch in stopped]
    assert len(stopped) == scores.index(max(scores)) + 1 + 2 < len(whole)
    assert stopped == whole[: len(stopped)]


def test_validation_is_by_the_model_that_is_trained() -> None:
    for name in OBJECTIVES:
        training = training_of(name, epochs=1)
        table, curve = train(training)
        model = model_of(table, settings_of(training))
        assert curve[0].validation == validation_score(model, EMBEDDINGS, NEXT)


@pytest.mark.parametrize(("connector", "expected"), [(True, 1), (False, 1 / np.log2(3))])
def test_validation_is_of_new_items_as_the_connector_has_them(
    connector: bool, expected: float
) -> None:
    """Item 2 reads like item 0, which user 0 took; its own row is far from it."""
    histories = ItemLists.from_lists([[0], [1]])
    edges, embeddings = Edges.of(histories, 3), torch.tensor([[1.0], [-1.0], [1.0]])
    wanted = Task(np.array([0]), ItemLists.from_lists([[0]]), ItemLists.from_lists([[2]]))
    first = torch.tensor([[3.0], [-3.0], [3.0], [-3.0], [-9.0]])
    settings = GraphCFConfig(dim=1, num_layers=1, connector=connector)
    build = ModelOfTables(settings, edges, embeddings, np.ones(3, dtype=bool), {})
    training = training_of("lightgcn", epochs=1, learning_rate=STILL)
    _, curve = train_graph(build, training, first, wanted)
    assert curve[0].validation == pytest.approx(expected)


def test_without_validation_users_the_last_epoch_is_kept() -> None:
    table, curve = train(training_of("lightgcn", patience=1), validation=NOBODY)
    assert [(epoch.number, epoch.validation) for epoch in curve] == [(n, 0) for n in range(1, 9)]
    shorter, _ = train(training_of("lightgcn", epochs=7, patience=1), validation=NOBODY)
    assert not torch.equal(table, shorter)


def test_validation_chooses_and_teaches_nothing() -> None:
    _, one = train()
    _, other = train(validation=OTHER_GROUP)
    assert [epoch.loss for epoch in one] == [epoch.loss for epoch in other]
    assert [epoch.validation for epoch in one] != [epoch.validation for epoch in other]


def test_no_epochs_leave_the_first_rows() -> None:
    table, curve = train(training_of("lightgcn", epochs=0))
    assert curve == []
    assert torch.equal(table, first_table())


def test_each_epoch_is_told_as_it_ends() -> None:
    told: list[Epoch] = []
    _, curve = train_graph(build_of(), LIGHTGCN, first_table(), NEXT, on_epoch=told.append)
    assert told == curve
    assert len(told) == LIGHTGCN.epochs


@every_objective
def test_nobody_to_learn_from_is_said(name: str) -> None:
    nothing = Edges.of(ItemLists.from_lists([[], []]), NUM_ITEMS)
    first = torch.zeros(2 + NUM_ITEMS, DIM)
    with pytest.raises(InputError, match=r"the training split: expected interactions.*found none"):
        train_graph(build_of(edges=nothing), training_of(name), first, NOBODY)


def test_a_loss_that_is_not_finite_ends_training() -> None:
    broken = first_table()
    broken[0] = torch.nan
    with pytest.raises(InputError, match=r"epoch 1: expected a finite loss, found nan"):
        train(first=broken)


@pytest.mark.parametrize("negatives", list(Negatives))
def test_a_loss_is_the_mean_of_the_steps_of_its_pass(negatives: Negatives) -> None:
    """What a sampler with the same draws gives, where the rows stay what they are."""
    objective = LightGCNLoss(negatives=negatives)
    changes = {"objective": objective, "epochs": 2, "learning_rate": STILL, "seed": 3}
    _, curve = train(LIGHTGCN.model_copy(update=changes))
    sampler = EdgeSampler(EDGES, negatives)
    step = GraphStep(objective, 2, NUM_USERS, Adjacency.of(EDGES))
    for epoch in curve:
        draws = np.random.default_rng([3, epoch.number])
        losses = [step.loss(first_table(), batch).item() for batch in sampler.batches(32, draws)]
        assert epoch.loss == pytest.approx(np.mean(losses), rel=1e-5)


@every_objective
def test_passes_differ(name: str) -> None:
    """In negatives, in views, or in who is in a batch together."""
    training = training_of(name, epochs=3, learning_rate=STILL)
    losses = sorted(epoch.loss for epoch in train(training)[1])
    assert all(other - one > 1e-5 for one, other in itertools.pairwise(losses))


def test_views_that_lack_more_agree_less() -> None:
    losses = []
    for share in (0.01, 0.3, 0.6):
        objective = SGLLoss(drop_share=share, contrast_weight=1)
        training = training_of("sgl", objective=objective, epochs=1, learning_rate=STILL)
        losses.append(train(training)[1][0].loss)
    assert losses == sorted(losses)
    assert losses[0] < losses[1] - 1 < losses[2] - 2


@pytest.mark.parametrize("name", ["lightgcn", "sgl"])
def test_a_large_penalty_keeps_rows_short(name: str) -> None:
    lengths = []
    for penalty in (0.0, 50.0):
        objective = OBJECTIVES[name].model_copy(update={"penalty": penalty})
        table, _ = train(training_of(name, objective=objective), validation=NOBODY)
        lengths.append(table.norm().item())
    assert lengths[1] < 0.7 * lengths[0]


def test_users_and_items_without_an_edge_do_no_harm() -> None:
    histories = ItemLists.from_lists([HISTORIES[0], [], HISTORIES[1]])
    edges = Edges.of(histories, NUM_ITEMS)
    for name in OBJECTIVES:
        first = torch.randn(3 + NUM_ITEMS, DIM, generator=torch.Generator().manual_seed(0))
        training = training_of(name, epochs=2)
        table, curve = train_graph(build_of(COSINE, edges), training, first, NOBODY)
        assert table.isfinite().all()
        assert len(curve) == 2


def test_a_batch_larger_than_the_log_is_the_whole_of_it() -> None:
    training = training_of("lightgcn", epochs=1, batch_size=10**6)
    assert len(train(training)[1]) == 1


@pytest.mark.parametrize(
    "changes", [{"batch_size": 0}, {"learning_rate": 0}, {"epochs": -1}, {"patience": 0}]
)
def test_settings_out_of_range_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        GraphTrainingConfig.model_validate({"objective": {"kind": "sgl"}} | changes)
