"""The graph's model: users and items are LightGCN's, and who came later is as documented."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.models.graphs import (
    COLD,
    CONNECTOR,
    DIM,
    EDGES,
    EMBEDDINGS,
    HISTORIES,
    NUM_ITEMS,
    NUM_USERS,
    TABLE,
    close,
    graph_cf,
    mean_user,
    plain_final,
    plain_user,
)
from towerflow.interactions.histories import ItemLists
from towerflow.models.graph_cf import GraphCF, GraphCFConfig

all_depths = pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
WARM = [0, 1, 2, 3]
TOOK_SOMETHING = [0, 1, 3, 4]
taken_later = st.lists(st.sampled_from(WARM), min_size=1, unique=True)


def strangers(*histories: list[int]) -> ItemLists:
    return ItemLists.from_lists(histories)


def users(who: list[int], *histories: list[int]) -> ItemLists:
    """Known ones, with these histories."""
    lists = ItemLists.from_lists(histories)
    return ItemLists(lists.items, lists.offsets, np.array(who, dtype=np.int64))


@all_depths
@pytest.mark.parametrize("connector", [False, True])
def test_users_with_the_history_that_was_trained_on_are_lightgcns(
    num_layers: int, connector: bool
) -> None:
    model = graph_cf(num_layers, connector=connector)
    found = model.user_vectors(HISTORIES, EMBEDDINGS)
    assert close(found[TOOK_SOMETHING], plain_final(num_layers)[TOOK_SOMETHING])


@all_depths
@pytest.mark.parametrize("connector", [False, True])
def test_items_with_users_are_lightgcns(num_layers: int, connector: bool) -> None:
    found = graph_cf(num_layers, connector=connector).item_vectors(EMBEDDINGS)
    assert close(found[WARM], plain_final(num_layers)[NUM_USERS:][WARM])


@all_depths
def test_scores_are_products_of_lightgcns_vectors(num_layers: int) -> None:
    model, final = graph_cf(num_layers), plain_final(num_layers)
    scores = model.user_vectors(HISTORIES, EMBEDDINGS) @ model.item_vectors(EMBEDDINGS).T
    expected = final[:NUM_USERS] @ final[NUM_USERS:].T
    assert close(scores[TOOK_SOMETHING], expected[TOOK_SOMETHING])


@all_depths
def test_a_user_of_whom_nothing_is_known_is_the_mean_user(num_layers: int) -> None:
    model = graph_cf(num_layers)
    for lists in (HISTORIES.take(np.array([2])), strangers([])):
        assert close(model.user_vectors(lists, EMBEDDINGS)[0], mean_user(num_layers))


@all_depths
@given(taken_later)
def test_a_stranger_begins_as_the_mean_of_the_items(num_layers: int, history: list[int]) -> None:
    found = graph_cf(num_layers).user_vectors(strangers(history), EMBEDDINGS)
    assert close(found[0], plain_user(num_layers, history))


@all_depths
@given(taken_later, st.sampled_from(TOOK_SOMETHING))
def test_what_a_known_user_takes_later_counts_at_once(
    num_layers: int, history: list[int], user: int
) -> None:
    found = graph_cf(num_layers).user_vectors(users([user], history), EMBEDDINGS)
    assert close(found[0], plain_user(num_layers, history, user))


@all_depths
def test_who_took_nothing_in_training_is_a_stranger(num_layers: int) -> None:
    """Their row was not learnt from anything."""
    model = graph_cf(num_layers)
    known = model.user_vectors(users([2], [1, 3]), EMBEDDINGS)
    assert torch.equal(known, model.user_vectors(strangers([1, 3]), EMBEDDINGS))


@all_depths
def test_a_known_user_whose_history_is_gone_keeps_the_own_row(num_layers: int) -> None:
    found = graph_cf(num_layers).user_vectors(users([3], []), EMBEDDINGS)
    assert close(found[0], TABLE[3] / (num_layers + 1))


def test_known_users_and_strangers_are_told_apart_row_by_row() -> None:
    model = graph_cf().for_users(np.array([3, -1, 0]))
    found = model.user_vectors(users([0, 1, 2, 1], [1, 2], [1, 2], [1, 2], []), EMBEDDINGS)
    expected = [
        plain_user(2, [1, 2], 3),
        plain_user(2, [1, 2]),
        plain_user(2, [1, 2], 0),
        mean_user(2),
    ]
    assert close(found, np.array(expected))


def test_the_order_of_a_history_does_not_matter() -> None:
    found = graph_cf().user_vectors(strangers([0, 3, 1], [1, 0, 3]), EMBEDDINGS)
    torch.testing.assert_close(found[0], found[1])


def test_nobody_can_be_asked_for() -> None:
    assert graph_cf().user_vectors(strangers(), EMBEDDINGS).shape == (0, DIM)


@pytest.mark.parametrize("cosine", [False, True])
def test_items_without_users_are_what_the_connector_says(cosine: bool) -> None:
    model = graph_cf(connector=True, cosine=cosine)
    expected = CONNECTOR(EMBEDDINGS[COLD])
    if cosine:
        expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(model.item_vectors(EMBEDDINGS)[COLD], expected)
    assert model.serves_new_items
    assert not graph_cf().serves_new_items


def test_the_connector_reads_the_embeddings_that_are_given() -> None:
    model = graph_cf(connector=True)
    other = EMBEDDINGS * 2 - 1
    found = model.item_vectors(other)
    torch.testing.assert_close(found[COLD], CONNECTOR(other[COLD]))
    assert torch.equal(found[WARM], model.item_vectors(EMBEDDINGS)[WARM])


@all_depths
def test_with_a_connector_items_without_users_are_passed_over_in_histories(num_layers: int) -> None:
    model = graph_cf(num_layers, connector=True)
    with_cold = users([0, 1, 0, 2], [4, 0, 5, 1], [5, 3], [4], [5, 4])
    without = users([0, 1, 0, 2], [0, 1], [3], [], [])
    found = model.user_vectors(with_cold, EMBEDDINGS)
    assert torch.equal(found, model.user_vectors(without, EMBEDDINGS))
    assert close(found[0], plain_user(num_layers, [0, 1], 0))
    assert close(found[3], mean_user(num_layers))


def test_with_a_connector_only_items_with_users_have_rows() -> None:
    assert torch.equal(graph_cf(connector=True).trained_items, TABLE[NUM_USERS:][WARM])
    assert torch.equal(graph_cf().trained_items, TABLE[NUM_USERS:])


@all_depths
def test_by_cosine_items_are_one_long_and_only_they(num_layers: int) -> None:
    model, plain = graph_cf(num_layers, cosine=True), graph_cf(num_layers)
    items, raw = model.item_vectors(EMBEDDINGS), plain.item_vectors(EMBEDDINGS)
    torch.testing.assert_close(items, raw / raw.norm(dim=1, keepdim=True))
    found = model.user_vectors(HISTORIES, EMBEDDINGS)
    assert torch.equal(found, plain.user_vectors(HISTORIES, EMBEDDINGS))


# Of the six items the second is gone and the others are shuffled; two are new.
TRAINED_INDEX = np.array([4, -1, 0, 3, 2, -1, 5])
NEW = [1, 5]
KEPT = np.flatnonzero(TRAINED_INDEX >= 0)
OTHER = torch.randn(7, 4, generator=torch.Generator().manual_seed(3))
OTHER[KEPT] = EMBEDDINGS[TRAINED_INDEX[KEPT]]


@pytest.mark.parametrize("connector", [False, True])
def test_over_another_catalogue_kept_items_are_as_they_were(connector: bool) -> None:
    model = graph_cf(connector=connector)
    found = model.for_items(TRAINED_INDEX).item_vectors(OTHER)
    expected = model.item_vectors(EMBEDDINGS)[TRAINED_INDEX[KEPT]]
    # Products of matrices of other sizes may be added in another order.
    torch.testing.assert_close(found[KEPT], expected, atol=1e-5, rtol=1e-5)


def test_new_items_are_the_connectors_or_else_the_average_item() -> None:
    connected = graph_cf(connector=True).for_items(TRAINED_INDEX).item_vectors(OTHER)
    torch.testing.assert_close(connected[NEW], CONNECTOR(OTHER[NEW]))
    plain = graph_cf().for_items(TRAINED_INDEX).item_vectors(OTHER)
    expected = plain_final(2)[NUM_USERS:].mean(axis=0)
    assert close(plain[NEW], np.stack([expected, expected]))


@pytest.mark.parametrize("connector", [False, True])
def test_histories_pass_over_new_items(connector: bool) -> None:
    model = graph_cf(connector=connector).for_items(TRAINED_INDEX)
    found = model.user_vectors(users([0, 3, 2], [1, 2, 3, 5], [5], [1]), OTHER)
    assert close(found[0], plain_user(2, [0, 3], 0))  # as they were called in training
    assert close(found[1], TABLE[3] / 3)
    assert close(found[2], mean_user(2))


@pytest.mark.parametrize("connector", [False, True])
def test_one_catalogue_after_another_is_the_last_of_them(connector: bool) -> None:
    model = graph_cf(connector=connector)
    back = np.array([2, -1, 4, 3, 0, 6])  # item 1 of the six does not come back
    again = model.for_items(TRAINED_INDEX).for_items(back)
    once = model.for_items(np.array([0, -1, 2, 3, 4, 5]))
    assert torch.equal(again.item_vectors(EMBEDDINGS), once.item_vectors(EMBEDDINGS))


def test_over_other_users_each_keeps_the_own_row() -> None:
    model = graph_cf()
    for_others = model.for_users(np.array([4, -1, 0]))
    found = for_others.user_vectors(users([0, 1, 2], [0], [0], [0]), EMBEDDINGS)
    expected = [plain_user(2, [0], 4), plain_user(2, [0]), plain_user(2, [0], 0)]
    assert close(found, np.array(expected))
    again = for_others.for_users(np.array([2, 0])).user_vectors(users([0, 1], [0], [0]), EMBEDDINGS)
    assert torch.equal(again, found[[2, 0]])


def test_other_catalogues_and_users_leave_the_model_as_it_was() -> None:
    model = graph_cf(connector=True)
    before = {name: tensor.clone() for name, tensor in model.tensors().items()}
    model.for_items(TRAINED_INDEX).item_vectors(OTHER).zero_()
    model.for_users(np.array([4, -1])).user_vectors(strangers([0]), EMBEDDINGS).zero_()
    model.user_vectors(users([0], []), EMBEDDINGS).zero_()
    model.user_vectors(strangers([]), EMBEDDINGS).zero_()
    model.item_vectors(EMBEDDINGS).zero_()
    assert before.keys() == model.tensors().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.tensors().items())


def test_it_keeps_nothing_of_the_table_that_goes_on_being_trained() -> None:
    table = TABLE.clone()
    model = GraphCF.of_tables(GraphCFConfig(dim=DIM), table, EDGES)
    before = model.user_vectors(HISTORIES, EMBEDDINGS)
    table.zero_()
    assert torch.equal(model.user_vectors(HISTORIES, EMBEDDINGS), before)


@pytest.mark.parametrize("connector", [False, True])
def test_restored_it_is_itself(connector: bool) -> None:
    model = graph_cf(1, connector=connector, cosine=True)
    again = GraphCF.restore(model.config(), model.tensors())
    assert again.config() == model.config()
    assert again.config()["kind"] == "graph_cf"
    assert again.settings == model.settings
    assert again.serves_new_items == connector
    assert torch.equal(again.item_vectors(EMBEDDINGS), model.item_vectors(EMBEDDINGS))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dim": 0}, "greater than 0"),
        ({"num_layers": -1}, "greater than or equal to 0"),
        ({"init": {"strategy": "full"}}, "full takes all dimensions: dim must be null"),
        ({"width": 8}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        GraphCFConfig.model_validate(settings)


def test_all_dimensions_can_be_taken_without_naming_their_number() -> None:
    assert GraphCFConfig.model_validate({"dim": None, "init": {"strategy": "full"}}).dim is None


def test_the_tables_have_a_row_for_every_node() -> None:
    tensors = graph_cf().tensors()
    assert torch.equal(torch.cat([tensors["user_table"], tensors["item_table"]]), TABLE)
    assert tensors["user_rows"].tolist() == [0, 1, -1, 3, 4]
    assert tensors["item_rows"].tolist() == list(range(NUM_ITEMS))
