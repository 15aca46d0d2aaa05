"""The loss of next items against plain loops over the vectors of the model."""

import math

import numpy as np
import pytest
import torch

from towerflow.interactions.histories import ItemLists
from towerflow.models.learn import ItemTower, Learn, LearnConfig
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.training.candidates import CandidateItems, choose_candidates
from towerflow.training.config import Candidates, SoftmaxConfig
from towerflow.training.examples import NextItemBatch
from towerflow.training.ranks import Ranks
from towerflow.training.step import TrainingStep

NUM_ITEMS = 9
TAU = 0.5
EMBEDDINGS = torch.randn(NUM_ITEMS, 4, generator=torch.Generator().manual_seed(0))
POPULARITY = np.array([3, 2, 2, 2, 1, 1, 1, 0, 0]) / 12
# What each user has read, and what is to be found after each item of it; two find item 3, and the
# first finds item 2 twice.
READ = [[0, 1, 2], [4], [6, 0, 5, 0]]
FOUND = [[1, 2, 2], [3], [0, 5, 3, 6]]
BATCH = NextItemBatch(ItemLists.from_lists(READ), np.arange(8), np.concatenate(FOUND))
TINY = LearnConfig(width=8, num_layers=2, num_heads=2, feedforward=8, dim=4, temperature=TAU)


@pytest.fixture(scope="module")
def model() -> Learn:
    torch.manual_seed(1)
    return Learn(TINY, EMBEDDINGS.shape[1], NUM_ITEMS).eval()


def loss(
    model: Learn | SASRec, softmax: SoftmaxConfig, candidates: CandidateItems, batch: NextItemBatch
) -> float:
    step = TrainingStep(model, EMBEDDINGS, Ranks(), softmax)
    return float(step(batch, candidates).item())


def draw(softmax: SoftmaxConfig, batch: NextItemBatch = BATCH) -> CandidateItems:
    return choose_candidates(softmax, batch.targets, POPULARITY, np.random.default_rng(2))


@torch.inference_mode()
def plain_loss(
    model: Learn | SASRec,
    tau: float,
    candidates: list[int],
    log_q: dict[int, float] | None = None,
    *,
    exclude_same_user: bool = False,
) -> float:
    """Mean of -log softmax, candidate by candidate; own targets that come again don't count."""
    items = model.item_vectors(EMBEDDINGS)
    losses = []
    for read, found in zip(READ, FOUND, strict=True):
        for place, target in enumerate(found):
            before = ItemLists.from_lists([read[: place + 1]])
            user = model.user_vectors(before, EMBEDDINGS)[0]

            def score(item: int, user: torch.Tensor = user) -> float:
                correction = log_q[item] if log_q else 0.0
                return float(user @ items[item]) / tau - correction

            hidden = {*found} if exclude_same_user else {target}
            total = math.exp(score(target))
            total += sum(math.exp(score(item)) for item in candidates if item not in hidden)
            losses.append(math.log(total) - score(target))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("exclude", [False, True])
def test_full_is_a_softmax_over_the_catalogue(model: Learn, exclude: bool) -> None:
    softmax = SoftmaxConfig(exclude_same_user=exclude)
    expected = plain_loss(model, TAU, list(range(NUM_ITEMS)), exclude_same_user=exclude)
    assert loss(model, softmax, draw(softmax), BATCH) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("corrected", [False, True])
def test_in_batch_is_a_softmax_over_the_batchs_targets_as_often_as_they_come(
    model: Learn, exclude: bool, corrected: bool
) -> None:
    softmax = SoftmaxConfig(
        candidates=Candidates.IN_BATCH, log_q=corrected, exclude_same_user=exclude
    )
    log_q = {item: math.log(p) for item, p in enumerate(POPULARITY) if p} if corrected else None
    targets = [item for found in FOUND for item in found]
    expected = plain_loss(model, TAU, targets, log_q, exclude_same_user=exclude)
    assert loss(model, softmax, draw(softmax), BATCH) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("corrected", [False, True])
def test_sampled_is_a_softmax_over_targets_and_what_was_drawn(
    model: Learn, exclude: bool, corrected: bool
) -> None:
    softmax = SoftmaxConfig(
        candidates=Candidates.SAMPLED,
        num_negatives=2,
        log_q=corrected,
        exclude_same_user=exclude,
    )
    candidates = draw(softmax)
    assert len(candidates.items) < NUM_ITEMS  # else this would be `full`
    chance = [1 - (1 - p) ** 8 * (1 - 1 / NUM_ITEMS) ** 2 for p in POPULARITY]
    log_q = dict(enumerate(map(math.log, chance))) if corrected else None
    expected = plain_loss(model, TAU, candidates.items.tolist(), log_q, exclude_same_user=exclude)
    assert loss(model, softmax, candidates, BATCH) == pytest.approx(expected, abs=1e-5)


def test_each_setting_changes_the_loss(model: Learn) -> None:
    """Else the comparisons above would say nothing."""
    in_batch = SoftmaxConfig(candidates=Candidates.IN_BATCH)
    settings = [
        SoftmaxConfig(),
        SoftmaxConfig(exclude_same_user=True),
        in_batch,
        in_batch.model_copy(update={"log_q": True}),
        in_batch.model_copy(update={"exclude_same_user": True}),
    ]
    losses = [loss(model, softmax, draw(softmax), BATCH) for softmax in settings]
    assert len({round(value, 3) for value in losses}) == len(losses)


def test_only_the_sources_are_learnt_from(model: Learn) -> None:
    """A single target per user, found after all before it."""
    last = NextItemBatch(BATCH.inputs, np.array([2, 3, 7]), np.array([2, 3, 6]))
    softmax = SoftmaxConfig()
    with torch.inference_mode():
        items = model.item_vectors(EMBEDDINGS)
        users = model.user_vectors(BATCH.inputs, EMBEDDINGS)
        logits = (users @ items.T / TAU).tolist()
    expected = [
        math.log(sum(map(math.exp, row))) - row[target]
        for row, target in zip(logits, (2, 3, 6), strict=True)
    ]
    found = loss(model, softmax, draw(softmax, last), last)
    assert found == pytest.approx(sum(expected) / 3, abs=1e-5)


def test_sasrec_scores_by_dot_products_without_a_temperature() -> None:
    torch.manual_seed(2)
    config = SASRecConfig(width=8, num_layers=1, num_heads=2, feedforward=8, max_history=5)
    model = SASRec(config, NUM_ITEMS).eval()
    softmax = SoftmaxConfig()
    expected = plain_loss(model, 1.0, list(range(NUM_ITEMS)))
    assert loss(model, softmax, draw(softmax), BATCH) == pytest.approx(expected, abs=1e-5)


def test_both_towers_learn(model: Learn) -> None:
    """Users read item 0 alone; the gradient of the others comes through the item tower."""
    embeddings = EMBEDDINGS.clone().requires_grad_()
    batch = NextItemBatch(ItemLists.from_lists([[0]]), np.array([0]), np.array([1]))
    candidates = choose_candidates(
        SoftmaxConfig(), batch.targets, POPULARITY, np.random.default_rng(0)
    )
    TrainingStep(model, embeddings, Ranks(), SoftmaxConfig())(batch, candidates).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum(dim=1).gt(0).all()


def test_raw_item_vectors_are_the_embeddings_themselves() -> None:
    torch.manual_seed(3)
    config = TINY.model_copy(update={"item_tower": ItemTower.RAW, "dim": None})
    model = Learn(config, EMBEDDINGS.shape[1], NUM_ITEMS).eval()
    softmax = SoftmaxConfig()
    expected = plain_loss(model, TAU, list(range(NUM_ITEMS)))
    assert loss(model, softmax, draw(softmax), BATCH) == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(
        model.item_vectors(EMBEDDINGS), torch.nn.functional.normalize(EMBEDDINGS, dim=-1)
    )
