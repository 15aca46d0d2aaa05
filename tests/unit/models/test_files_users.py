"""A model that knows users keeps their ids, and finds its rows again among others."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.examples import EXAMPLES
from tests.unit.models.examples import ITEM_IDS as EXAMPLE_IDS
from tests.unit.models.graphs import (
    EMBEDDINGS,
    HISTORIES,
    ITEM_IDS,
    TAKEN,
    USER_IDS,
    close,
    graph_cf,
    plain_user,
)
from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.files import USER_IDS_FILE, load_model, load_model_for, save_model
from towerflow.models.graph_cf import GraphCF


def lists_of(user_ids: list[str], item_ids: list[str]) -> ItemLists:
    """What each took in training, by index in these lists; newcomers took items a and b."""
    taken = dict(zip(USER_IDS, TAKEN, strict=True))
    histories = [[ITEM_IDS[item] for item in taken.get(user, [0, 1])] for user in user_ids]
    rows = [[item_ids.index(item) for item in row] for row in histories]
    lists = ItemLists.from_lists(rows)
    return ItemLists(lists.items, lists.offsets, np.arange(len(user_ids)))


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with connector"])
def saved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[GraphCF, Path]:
    """A model, and where it was saved."""
    model, folder = graph_cf(connector=request.param), tmp_path_factory.mktemp("model")
    save_model(model, ITEM_IDS, folder, USER_IDS)
    return model, folder


def test_the_ids_of_users_lie_beside_a_model_that_knows_them(saved: tuple[GraphCF, Path]) -> None:
    assert pq.read_table(saved[1] / USER_IDS_FILE).to_pydict() == {"user_id": USER_IDS}


@pytest.mark.parametrize("name", ["popularity", "learn", "sasrec", "item-kNN", "blend"])
def test_no_other_model_keeps_them(tmp_path: Path, name: str) -> None:
    save_model(EXAMPLES[name], EXAMPLE_IDS, tmp_path, USER_IDS)
    assert not (tmp_path / USER_IDS_FILE).exists()
    assert type(load_model_for(tmp_path, EXAMPLE_IDS, USER_IDS)) is type(EXAMPLES[name])


def test_read_back_it_scores_the_same(saved: tuple[GraphCF, Path]) -> None:
    model, folder = saved
    for loaded in (load_model(folder), load_model_for(folder, tuple(ITEM_IDS), tuple(USER_IDS))):
        assert isinstance(loaded, GraphCF)
        assert loaded.settings == model.settings
        assert loaded.serves_new_items == model.serves_new_items
        theirs = model.tensors()
        assert loaded.tensors().keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in loaded.tensors().items())
        assert torch.equal(loaded.item_vectors(EMBEDDINGS), model.item_vectors(EMBEDDINGS))
        expected = model.user_vectors(HISTORIES, EMBEDDINGS)
        assert torch.equal(loaded.user_vectors(HISTORIES, EMBEDDINGS), expected)


@given(st.lists(st.sampled_from([*USER_IDS, "n1", "n2"]), unique=True))
@settings(max_examples=25)
def test_users_who_stayed_keep_their_vectors(saved: tuple[GraphCF, Path], who: list[str]) -> None:
    model, folder = saved
    loaded = load_model_for(folder, ITEM_IDS, who)
    found = loaded.user_vectors(lists_of(who, ITEM_IDS), EMBEDDINGS)
    before = dict(zip(USER_IDS, model.user_vectors(HISTORIES, EMBEDDINGS), strict=True))
    for user_id, vector in zip(who, found, strict=True):
        if user_id in before:
            torch.testing.assert_close(vector, before[user_id])
        else:
            assert close(vector, plain_user(2, [0, 1]))


def test_users_and_items_can_both_be_others(saved: tuple[GraphCF, Path]) -> None:
    model, folder = saved
    who, item_ids = ["z", "n1", "v"], ["new", "d", "c", "b", "a"]
    loaded = load_model_for(folder, item_ids, who)
    embeddings = torch.cat([torch.zeros(1, 4), EMBEDDINGS[[3, 2, 1, 0]]])
    users = loaded.user_vectors(lists_of(who, item_ids), embeddings)
    expected = model.user_vectors(HISTORIES, EMBEDDINGS)[[4, 0]]
    torch.testing.assert_close(users[[0, 2]], expected)
    items = loaded.item_vectors(embeddings)[1:]
    assert torch.equal(items, model.item_vectors(EMBEDDINGS)[[3, 2, 1, 0]])


def test_saved_over_others_it_is_over_them(saved: tuple[GraphCF, Path], tmp_path: Path) -> None:
    """As an index keeps the model."""
    who, item_ids = ["z", "n1", "v"], ["f", "d", "c", "b", "a"]
    embeddings = EMBEDDINGS[[5, 3, 2, 1, 0]]
    moved = load_model_for(saved[1], item_ids, who)
    save_model(moved, item_ids, tmp_path, who)
    lists = lists_of(who, item_ids)
    for again in (load_model(tmp_path), load_model_for(tmp_path, item_ids, who)):
        expected = moved.user_vectors(lists, embeddings)
        assert torch.equal(again.user_vectors(lists, embeddings), expected)
        assert torch.equal(again.item_vectors(embeddings), moved.item_vectors(embeddings))


def test_without_users_everybody_is_a_stranger(saved: tuple[GraphCF, Path]) -> None:
    loaded = load_model_for(saved[1], ITEM_IDS)
    found = loaded.user_vectors(ItemLists.from_lists([[0, 1, 2]]), EMBEDDINGS)
    assert close(found[0], plain_user(2, [0, 1, 2]))


def test_a_model_that_lacks_its_user_ids_is_refused(tmp_path: Path) -> None:
    save_model(graph_cf(), ITEM_IDS, tmp_path, USER_IDS)
    (tmp_path / USER_IDS_FILE).unlink()
    with pytest.raises(InputError, match=r"user_ids\.parquet: expected ids that the model was"):
        load_model_for(tmp_path, ITEM_IDS, USER_IDS)
