"""LEARN against a plain NumPy reading of its formulas, and the laws of its towers."""

import numpy as np
import pytest
import torch

from tests.unit.models import plain
from towerflow.interactions.histories import ItemLists
from towerflow.models import learn
from towerflow.models.learn import ItemInput, ItemTower, Learn, LearnConfig
from towerflow.models.packed import PackedSequences
from towerflow.models.standardise import Standardise

NUM_KNOWN, NUM_ITEMS, EMBEDDING_DIM = 6, 8, 5
LATER = np.array([0, 1, 2, 3, 4, 5, -1, -1])
EMBEDDINGS = torch.randn(NUM_ITEMS, EMBEDDING_DIM, generator=torch.Generator().manual_seed(4)) + 1
HISTORIES = [[0, 1, 2, 3], [7, 5], [4, 4, 6]]
ALL_INPUTS = list(ItemInput)


def config_of(**settings: object) -> LearnConfig:
    """Small, and reads at most four items."""
    sizes = {"width": 8, "num_layers": 2, "num_heads": 2, "feedforward": 12, "max_history": 4}
    return LearnConfig.model_validate(sizes | {"dim": 6, "dropout": 0.5} | settings)


def made(config: LearnConfig, is_standard: bool = True) -> Learn:
    """Random weights, ids and norms too: those start at 0 or 1; the last items came later."""
    torch.manual_seed(3)
    model = Learn(config, EMBEDDING_DIM, NUM_KNOWN)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    if hasattr(model, "item_ids"):
        torch.nn.init.zeros_(model.item_ids.weight[NUM_KNOWN:])
    if is_standard:
        model.standardise = Standardise.fit(torch.randn(50, EMBEDDING_DIM) * 3 + 1)
    return model.for_items(LATER).eval()


def packed(lists: list[list[int]]) -> PackedSequences:
    """Laid out on the CPU."""
    return PackedSequences.pack(ItemLists.from_lists(lists), torch.device("cpu"))


def expected_of(model: Learn, lists: list[list[int]]) -> plain.Floats:
    """Output at each item of each list, by the formulas."""
    weights, embeddings = plain.weights_of(model), EMBEDDINGS.double().numpy()
    return np.concatenate([plain.learn(weights, model.settings, row, embeddings) for row in lists])


@pytest.mark.parametrize("item_input", ALL_INPUTS)
@pytest.mark.parametrize("is_standard", [True, False])
@pytest.mark.parametrize("positions", ["none", "learned", "rotary"])
@torch.inference_mode()
def test_reading_equals_the_formulas(
    item_input: ItemInput, is_standard: bool, positions: str
) -> None:
    model = made(config_of(item_input=item_input, positions=positions), is_standard)
    found = model.read(packed(HISTORIES), EMBEDDINGS)
    np.testing.assert_allclose(found.numpy(), expected_of(model, HISTORIES), atol=1e-5)


@torch.inference_mode()
def test_without_a_dim_vectors_are_as_long_as_embeddings() -> None:
    model = made(config_of(dim=None))
    found = model.read(packed(HISTORIES), EMBEDDINGS)
    assert found.shape == (9, EMBEDDING_DIM)
    np.testing.assert_allclose(found.numpy(), expected_of(model, HISTORIES), atol=1e-5)


@pytest.mark.parametrize("item_input", ALL_INPUTS)
@torch.inference_mode()
def test_an_item_vector_is_the_item_alone(item_input: ItemInput) -> None:
    model = made(config_of(item_input=item_input))
    expected = expected_of(model, [[item] for item in range(NUM_ITEMS)])
    np.testing.assert_allclose(model.item_vectors(EMBEDDINGS).numpy(), expected, atol=1e-5)
    some = torch.tensor([5, 0, 5])
    found = model.vectors_of(some, EMBEDDINGS)
    np.testing.assert_allclose(found.numpy(), expected[[5, 0, 5]], atol=1e-5)


@torch.inference_mode()
def test_blocks_of_items_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(config_of())
    at_once = model.item_vectors(EMBEDDINGS)
    monkeypatch.setattr(learn, "ITEMS_AT_ONCE", 3)
    torch.testing.assert_close(model.item_vectors(EMBEDDINGS), at_once)


@torch.inference_mode()
def test_what_comes_later_changes_nothing() -> None:
    model = made(config_of())
    before, after = (model.read(packed([row]), EMBEDDINGS) for row in ([0, 1, 2, 3], [0, 1, 5, 4]))
    torch.testing.assert_close(before[:2], after[:2])
    assert not torch.allclose(before[2:], after[2:], atol=1e-3)


@torch.inference_mode()
def test_targets_of_the_sequence_tower_are_read_as_histories_are() -> None:
    model = made(config_of(item_tower="sequence"))
    found = model.read_targets(packed(HISTORIES), EMBEDDINGS)
    np.testing.assert_allclose(found.numpy(), expected_of(model, HISTORIES), atol=1e-5)


@torch.inference_mode()
def test_targets_of_the_single_tower_are_read_each_alone() -> None:
    model = made(config_of(item_tower="single"))
    found = model.read_targets(packed(HISTORIES), EMBEDDINGS)
    alone = expected_of(model, [[item] for row in HISTORIES for item in row])
    np.testing.assert_allclose(found.numpy(), alone, atol=1e-5)


@torch.inference_mode()
def test_single_targets_are_the_same_in_a_sequence_and_alone() -> None:
    one_each = packed([[3], [0], [7]])
    sequence, single = (made(config_of(item_tower=tower)) for tower in ("sequence", "single"))
    torch.testing.assert_close(
        sequence.read_targets(one_each, EMBEDDINGS), single.read_targets(one_each, EMBEDDINGS)
    )


@torch.inference_mode()
def test_targets_of_the_raw_tower_are_unit_standardised_embeddings() -> None:
    model = made(config_of(item_tower="raw", dim=None))
    mean, scale = model.standardise.mean.numpy(), model.standardise.scale.numpy()
    expected = plain.unit((EMBEDDINGS.numpy() - mean) / scale)
    found = model.read_targets(packed(HISTORIES), EMBEDDINGS).numpy()
    np.testing.assert_allclose(found, expected[[0, 1, 2, 3, 7, 5, 4, 4, 6]], atol=1e-5)
    np.testing.assert_allclose(model.item_vectors(EMBEDDINGS).numpy(), expected, atol=1e-5)


@torch.inference_mode()
def test_users_of_the_raw_tower_are_read_by_the_transformer() -> None:
    model = made(config_of(item_tower="raw", dim=None))
    found = model.read(packed(HISTORIES), EMBEDDINGS)
    np.testing.assert_allclose(found.numpy(), expected_of(model, HISTORIES), atol=1e-5)


@pytest.mark.parametrize("tower", [ItemTower.SEQUENCE, ItemTower.SINGLE])
@torch.inference_mode()
def test_an_item_is_scored_alone_whatever_training_did(tower: ItemTower) -> None:
    model = made(config_of(item_tower=tower))
    expected = expected_of(model, [[item] for item in range(NUM_ITEMS)])
    np.testing.assert_allclose(model.item_vectors(EMBEDDINGS).numpy(), expected, atol=1e-5)


@torch.inference_mode()
def test_items_that_came_later_have_no_id() -> None:
    model = made(config_of(item_input="id"))
    assert model.item_ids.num_embeddings == NUM_KNOWN + 1
    vectors = model.item_vectors(EMBEDDINGS)
    torch.testing.assert_close(vectors[NUM_KNOWN], vectors[NUM_KNOWN + 1])
    distances = torch.cdist(vectors[: NUM_KNOWN + 1], vectors[: NUM_KNOWN + 1])
    assert distances.fill_diagonal_(1).min() > 1e-3, "all others have their own"


@torch.inference_mode()
def test_items_that_came_later_are_told_apart_by_their_content() -> None:
    vectors = made(config_of(item_input="content_id")).item_vectors(EMBEDDINGS)
    assert not torch.allclose(vectors[NUM_KNOWN], vectors[NUM_KNOWN + 1], atol=1e-3)


@torch.inference_mode()
def test_an_id_beside_content_starts_as_nothing() -> None:
    torch.manual_seed(0)
    both = Learn(config_of(item_input="content_id"), EMBEDDING_DIM, NUM_KNOWN)
    assert not both.item_ids.weight.any()
    ids = Learn(config_of(item_input="id"), EMBEDDING_DIM, NUM_KNOWN).item_ids.weight
    assert ids[:NUM_KNOWN].any(dim=1).all()
    assert not ids[NUM_KNOWN:].any()


@pytest.mark.parametrize(
    ("item_input", "serves"), [("content", True), ("content_id", True), ("id", False)]
)
def test_only_ids_alone_cannot_serve_new_items(item_input: str, serves: bool) -> None:
    assert made(config_of(item_input=item_input)).serves_new_items == serves


@torch.inference_mode()
def test_ids_alone_do_not_look_at_the_content() -> None:
    model = made(config_of(item_input="id"))
    other = torch.full_like(EMBEDDINGS, torch.nan)
    read = packed(HISTORIES)
    assert torch.equal(model.read(read, other), model.read(read, EMBEDDINGS))


@pytest.mark.parametrize("tower", [ItemTower.SINGLE, ItemTower.SEQUENCE])
@torch.inference_mode()
def test_input_dropout_is_of_what_the_user_tower_reads_in_training(tower: ItemTower) -> None:
    model = made(config_of(item_tower=tower, dropout=0.0, input_dropout=0.5))
    read, some = packed(HISTORIES), torch.arange(NUM_ITEMS)
    expected = expected_of(model, HISTORIES)
    np.testing.assert_allclose(model.read(read, EMBEDDINGS).numpy(), expected, atol=1e-5)
    items, targets = model.vectors_of(some, EMBEDDINGS), model.read_targets(read, EMBEDDINGS)
    model.train()
    assert not torch.allclose(model.read(read, EMBEDDINGS), model.read(read, EMBEDDINGS))
    assert torch.equal(model.vectors_of(some, EMBEDDINGS), items)
    assert torch.equal(model.read_targets(read, EMBEDDINGS), targets)


@torch.inference_mode()
def test_input_dropout_drops_the_share_that_it_says_and_keeps_the_mean() -> None:
    model = made(config_of(dropout=0.0, input_dropout=0.25)).train()
    dropped = model.input_dropout(torch.ones(100_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
