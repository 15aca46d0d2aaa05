"""Ids of LEARN: which row is whose, and what an item without one is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.test_learn import EMBEDDING_DIM, EMBEDDINGS, NUM_ITEMS, config_of
from towerflow.models.learn import Learn

ALL_ITEMS = torch.arange(NUM_ITEMS)
CONTENT = torch.randn(NUM_ITEMS, 8, generator=torch.Generator().manual_seed(8))


def made(item_input: str, known: list[bool] | None = None) -> Learn:
    """Random ids for all items, or for those that are known."""
    torch.manual_seed(5)
    model = Learn(config_of(item_input=item_input), EMBEDDING_DIM, NUM_ITEMS)
    if hasattr(model, "item_ids"):
        torch.nn.init.normal_(model.item_ids.weight[:NUM_ITEMS])
    if known is not None:
        model.know_ids_of(np.array(known))
    return model.eval()


def content_of(model: Learn) -> Learn:
    """The same weights, without ids."""
    only = Learn(config_of(item_input="content"), EMBEDDING_DIM, NUM_ITEMS)
    weights = model.state_dict()
    only.load_state_dict({name: weights[name] for name in only.state_dict()})
    return only.eval()


@given(st.lists(st.booleans(), min_size=NUM_ITEMS, max_size=NUM_ITEMS))
@settings(max_examples=30)
@torch.inference_mode()
def test_items_that_are_not_known_have_exactly_the_vector_of_their_content(
    known: list[bool],
) -> None:
    model, is_known = made("content_id", known), torch.tensor(known)
    vectors = model.item_vectors(EMBEDDINGS)
    content, whole = content_of(model).item_vectors(EMBEDDINGS), made("content_id")
    assert torch.equal(vectors[~is_known], content[~is_known])
    assert torch.equal(vectors[is_known], whole.item_vectors(EMBEDDINGS)[is_known])
    assert not (vectors[is_known] == content[is_known]).all(dim=1).any()


@given(st.lists(st.integers(-1, NUM_ITEMS - 1), min_size=1, max_size=12))
@settings(max_examples=30)
@torch.inference_mode()
def test_what_is_read_is_the_content_and_the_row_of_the_item(trained_index: list[int]) -> None:
    known = [True] * (NUM_ITEMS - 1) + [False]
    model, rows = made("content_id", known), made("content_id").item_ids.weight
    model = model.for_items(np.array(trained_index))
    embeddings = EMBEDDINGS[trained_index]
    items = torch.arange(len(trained_index))
    found = model.adapt(items, embeddings) - content_of(model).adapt(items, embeddings)
    for row, item in zip(found, trained_index, strict=True):
        expected = rows[item] if 0 <= item < NUM_ITEMS - 1 else torch.zeros(8)
        torch.testing.assert_close(row, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_without_being_told_all_items_have_their_own() -> None:
    model = made("id")
    assert torch.equal(model.adapt(ALL_ITEMS, EMBEDDINGS), model.item_ids.weight[:NUM_ITEMS])


@torch.inference_mode()
def test_a_model_of_content_has_no_ids_to_know() -> None:
    model, before = made("content"), made("content").item_vectors(EMBEDDINGS)
    model.know_ids_of(np.zeros(NUM_ITEMS, dtype=bool))
    assert torch.equal(model.item_vectors(EMBEDDINGS), before)
    assert not any("id" in name.split(".")[0].split("_") for name in model.state_dict())


@pytest.mark.parametrize("item_input", ["id", "content_id"])
def test_the_row_of_the_unknown_is_zero_and_gets_no_gradient(item_input: str) -> None:
    known = [True, False, True, True, False, True, True, True]
    model = made(item_input, known)
    (model.adapt(ALL_ITEMS, EMBEDDINGS) * CONTENT).sum().backward()
    gradient = model.item_ids.weight.grad
    assert gradient is not None
    assert torch.equal(gradient[:NUM_ITEMS], CONTENT * torch.tensor(known).unsqueeze(1))
    assert not gradient[NUM_ITEMS].any()
    assert not model.item_ids.weight[NUM_ITEMS].any()


@torch.inference_mode()
def test_which_row_is_whose_is_kept_with_the_weights() -> None:
    model = made("content_id", [True, False] * 4).for_items(np.array([7, -1, 2, 1, 0]))
    again = Learn.restore(model.config(), model.tensors())
    embeddings = EMBEDDINGS[[7, 3, 2, 1, 0]]
    assert again.id_rows.tolist() == model.id_rows.tolist() == [8, 8, 2, 8, 0]
    assert torch.equal(again.item_vectors(embeddings), model.item_vectors(embeddings))
    model.id_rows.fill_(0)
    assert again.id_rows.tolist() == [8, 8, 2, 8, 0], "its own"
