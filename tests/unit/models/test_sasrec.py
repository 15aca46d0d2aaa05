"""SASRec against a plain NumPy reading of its formulas, and what it makes of unknown items."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models import plain
from towerflow.interactions.histories import ItemLists
from towerflow.models.packed import PackedSequences
from towerflow.models.sasrec import SASRec, SASRecConfig

NUM_KNOWN = 6
LATER = np.array([0, 1, 2, 3, 4, 5, -1, -1])
EMBEDDINGS = torch.zeros(8, 3)  # two items came after training; content says nothing


def made(positions: str = "learned", num_layers: int = 2, dropout: float = 0.5) -> SASRec:
    """Random weights, norms too; ready to score; reads at most four items."""
    sizes = {"width": 8, "num_layers": num_layers, "num_heads": 2, "feedforward": 12}
    more = {"max_history": 4, "dropout": dropout, "positions": positions}
    torch.manual_seed(3)
    model = SASRec(SASRecConfig.model_validate(sizes | more), NUM_KNOWN)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return model.for_items(LATER).eval()


MODEL = made()


def packed(lists: list[list[int]]) -> PackedSequences:
    """Laid out on the CPU."""
    return PackedSequences.pack(ItemLists.from_lists(lists), torch.device("cpu"))


def plain_sasrec(model: SASRec, items: list[int]) -> plain.Floats:
    """`[length, width]`: rows of the table, normed, through the transformer."""
    weights = plain.weights_of(model)
    tokens = plain.layer_norm(weights, "input_norm", weights["item_table.weight"][items])
    return plain.transformer(plain.part(weights, "transformer"), model.settings, tokens)


def users(histories: list[list[int]], model: SASRec = MODEL) -> torch.Tensor:
    """`[num_users, width]`."""
    return model.user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)


@pytest.mark.parametrize("positions", ["none", "learned", "rotary"])
@torch.inference_mode()
def test_reading_equals_the_formulas(positions: str) -> None:
    model, histories = made(positions), [[0, 1, 2, 3], [5], [4, 4, 1]]
    found = model.read(packed(histories), EMBEDDINGS).numpy()
    expected = np.concatenate([plain_sasrec(model, row) for row in histories])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(st.lists(st.lists(st.integers(0, 7), max_size=6), min_size=1, max_size=5))
@settings(max_examples=30)
@torch.inference_mode()
def test_a_user_vector_is_the_output_after_the_last_of_the_known_items(
    histories: list[list[int]],
) -> None:
    for found, row in zip(users(histories).numpy(), histories, strict=True):
        known = [item for item in row if item < NUM_KNOWN][-4:]
        expected = plain_sasrec(MODEL, known)[-1] if known else np.zeros(8)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@torch.inference_mode()
def test_unknown_items_are_as_if_they_had_not_been_taken() -> None:
    assert torch.equal(users([[0, 7, 1, 6]]), users([[0, 1]]))
    assert not users([[6, 7], []]).any()


@torch.inference_mode()
def test_unknown_items_take_no_place_among_the_recent() -> None:
    assert torch.equal(users([[5, 0, 1, 2, 7, 6, 7]]), users([[5, 0, 1, 2]]))


@torch.inference_mode()
def test_item_vectors_are_the_table_and_its_mean_for_new_items() -> None:
    vectors = MODEL.item_vectors(EMBEDDINGS)
    assert torch.equal(vectors[:NUM_KNOWN], MODEL.item_table.weight)
    torch.testing.assert_close(vectors[NUM_KNOWN:], vectors[:NUM_KNOWN].mean(dim=0).expand(2, 8))
    scores = users([[0, 1]]) @ vectors.T
    average = scores[:, :NUM_KNOWN].mean(dim=1, keepdim=True)
    torch.testing.assert_close(scores[:, NUM_KNOWN:], average.expand(1, 2))
    assert not MODEL.serves_new_items


@torch.inference_mode()
def test_targets_are_rows_of_the_table() -> None:
    rows = MODEL.item_table.weight[[3, 1, 3]]
    assert torch.equal(MODEL.vectors_of(torch.tensor([3, 1, 3]), EMBEDDINGS), rows)
    assert torch.equal(MODEL.read_targets(packed([[3, 1], [3]]), EMBEDDINGS), rows)


@pytest.mark.parametrize(("positions", "is_same"), [("learned", False), ("none", True)])
@torch.inference_mode()
def test_positions_matter(positions: str, is_same: bool) -> None:
    one, other = users([[0, 1, 2, 3], [2, 0, 1, 3]], made(positions, num_layers=1))
    assert torch.allclose(one, other, atol=1e-4) == is_same


def test_positions_are_learned_and_scores_undivided_if_nobody_says_otherwise() -> None:
    assert SASRecConfig().positions == "learned"
    assert MODEL.temperature == 1.0
    assert MODEL.max_history == 4


@torch.inference_mode()
def test_what_is_read_drops_out_in_training_alone() -> None:
    model, one = made(), packed([[0, 1]])
    model.transformer.layers = torch.nn.ModuleList()  # only the input's own dropout is left
    assert torch.equal(model.read(one, EMBEDDINGS), model.read(one, EMBEDDINGS))
    model.train()
    assert not torch.equal(model.read(one, EMBEDDINGS), model.read(one, EMBEDDINGS))


def test_the_number_of_weights_is_that_of_the_formulas() -> None:
    attention, feedforward = 4 * (8 * 8 + 8), (8 * 12 + 12) + (12 * 8 + 8)
    layer = attention + feedforward + 2 * 2 * 8
    expected = NUM_KNOWN * 8 + 2 * 8 + 4 * 8 + 2 * layer  # table, norm, positions, layers
    assert sum(weight.numel() for weight in MODEL.parameters()) == expected
