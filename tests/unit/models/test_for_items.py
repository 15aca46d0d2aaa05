"""Every model over another catalogue: kept items as they were, new ones as documented."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)

from tests.unit.models.examples import (
    EMBEDDINGS,
    blend,
    examples,
    item_to_item,
    learn,
    sasrec,
)
from towerflow.interactions.histories import ItemLists
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.item_to_item import EaseConfig, ItemKNNConfig, ItemToItem
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import NEW_ITEM, SASRec

# Of the six items the fourth is gone and the others are shuffled; two are new.
TRAINED_INDEX = np.array([4, -1, 0, 5, 2, -1, 1])
KEPT = np.flatnonzero(TRAINED_INDEX >= 0)
NEW = np.flatnonzero(TRAINED_INDEX < 0)
OTHER = torch.randn(7, 4, generator=torch.Generator().manual_seed(2)) * 2 + 1
OTHER[KEPT] = EMBEDDINGS[TRAINED_INDEX[KEPT]]
TOWERS = [name for name, model in examples().items() if not isinstance(model, ItemToItem)]


def moved(model: RetrievalModel) -> RetrievalModel:
    """Over the other catalogue."""
    return model.for_items(TRAINED_INDEX)


@pytest.mark.parametrize("name", TOWERS)
@torch.inference_mode()
def test_vectors_of_kept_items_are_unchanged(name: str) -> None:
    before = examples()[name].item_vectors(EMBEDDINGS)
    after = moved(examples()[name]).item_vectors(OTHER)
    assert after.shape == (len(TRAINED_INDEX), before.shape[1])
    torch.testing.assert_close(after[KEPT], before[TRAINED_INDEX[KEPT]])


@pytest.mark.parametrize("name", TOWERS)
@torch.inference_mode()
def test_users_who_took_kept_items_are_unchanged(name: str) -> None:
    rows = [[2, 6, 4], [3, 0], [], [0]]  # by index in the other catalogue
    lists = [ItemLists.from_lists(rows), ItemLists.from_lists([TRAINED_INDEX[row] for row in rows])]
    after = moved(examples()[name]).user_vectors(lists[0], OTHER)
    before = examples()[name].user_vectors(lists[1].where(lists[1].items >= 0), EMBEDDINGS)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("name", examples())
@torch.inference_mode()
def test_the_model_itself_is_left_as_it_was(name: str) -> None:
    model = examples()[name]
    before = {key: tensor.clone() for key, tensor in model.tensors().items()}
    for key, tensor in moved(model).tensors().items():
        if "item" in key or "id_rows" in key:  # what another catalogue could have shared with it
            tensor.zero_()
    assert before.keys() == model.tensors().keys()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.tensors().items())


@pytest.mark.parametrize("name", examples())
def test_it_is_of_the_same_kind_and_ready_to_score(name: str) -> None:
    model, other = examples()[name], moved(examples()[name])
    assert type(other) is type(model)
    assert other.serves_new_items == model.serves_new_items
    assert not getattr(other, "training", False)


@pytest.mark.parametrize("config", [ItemKNNConfig(), EaseConfig()])
def test_items_that_vote_for_items_do_so_as_before(config: ItemKNNConfig | EaseConfig) -> None:
    before, after = item_to_item(config).weights, item_to_item(config).for_items(TRAINED_INDEX)
    expected = before[TRAINED_INDEX[KEPT]][:, TRAINED_INDEX[KEPT]]
    assert torch.equal(after.weights[KEPT][:, KEPT], expected)
    assert expected.any()


@pytest.mark.parametrize("config", [ItemKNNConfig(), EaseConfig()])
def test_nothing_votes_for_new_items_nor_do_they_vote(config: ItemKNNConfig | EaseConfig) -> None:
    model = item_to_item(config).for_items(TRAINED_INDEX)
    assert not model.item_vectors(OTHER)[NEW].any()
    users = model.user_vectors(ItemLists.from_lists([NEW, [2, 6], [2, *NEW, 6]]), OTHER)
    scores = users @ model.item_vectors(OTHER).T
    assert not scores[0].any()
    assert torch.equal(scores[1], scores[2])
    assert scores[1].any()


@pytest.mark.parametrize("item_input", ["content", "content_id"])
@torch.inference_mode()
def test_new_items_of_learn_are_what_their_content_says(item_input: str) -> None:
    model = learn(item_input=item_input)
    content = learn()
    content.load_state_dict({name: model.state_dict()[name] for name in content.state_dict()})
    after = moved(model).item_vectors(OTHER)
    assert torch.equal(after[NEW], content.item_vectors(OTHER)[NEW])
    assert not torch.allclose(after[NEW[0]], after[NEW[1]], atol=1e-3)


@torch.inference_mode()
def test_new_items_of_learn_with_ids_alone_are_all_the_same() -> None:
    vectors = moved(learn(item_input="id")).item_vectors(OTHER)
    assert torch.equal(vectors[NEW[0]], vectors[NEW[1]])
    other = vectors[np.setdiff1d(np.arange(7), NEW)]
    without_its_own = 1  # item 5 of the old catalogue had come after training, too
    assert (other == vectors[NEW[0]]).all(dim=1).sum() == without_its_own


@pytest.mark.parametrize("positions", ["learned", "none"])
@torch.inference_mode()
def test_new_items_of_sasrec_are_the_mean_of_all_rows(positions: str) -> None:
    mean = sasrec(positions=positions).item_table.weight.mean(dim=0)
    vectors = moved(sasrec(positions=positions)).item_vectors(OTHER)
    torch.testing.assert_close(vectors[NEW], mean.expand(2, -1))
    assert mean.abs().max() > 0.1


@torch.inference_mode()
def test_the_table_of_sasrec_stays_and_has_vectors_for_the_catalogue_alone() -> None:
    model = moved(sasrec())
    assert isinstance(model, SASRec)
    assert torch.equal(model.item_table.weight, sasrec().item_table.weight)
    assert model.item_rows.tolist() == [4, NEW_ITEM, 0, NEW_ITEM, 2, NEW_ITEM, 1]
    assert sasrec().item_rows.tolist() == [0, 1, 2, 3, 4, NEW_ITEM]
    assert len(model.item_vectors(torch.zeros(20, 4))) == len(TRAINED_INDEX)


@torch.inference_mode()
def test_histories_of_sasrec_pass_over_items_that_are_new_before_and_after() -> None:
    for model, known, new in ((sasrec(), [2, 1], [5]), (moved(sasrec()), [2, 6], [1, 3, 5])):
        one, other, none = model.user_vectors(
            ItemLists.from_lists([known, [*known, *new], new]), OTHER
        )
        assert torch.equal(one, other)
        assert one.any()
        assert not none.any()


def test_nobody_has_taken_new_items() -> None:
    model = Popularity(torch.arange(6.0) + 1).for_items(TRAINED_INDEX)
    assert model.item_vectors(OTHER).flatten().tolist() == [5, 0, 1, 6, 3, 0, 2]


def test_new_items_of_the_content_mean_are_their_unit_embeddings() -> None:
    model = ContentMean.fit(EMBEDDINGS, ContentMeanConfig())
    expected = F.normalize((OTHER - EMBEDDINGS.mean(0)) / EMBEDDINGS.std(0, correction=0), dim=1)
    torch.testing.assert_close(moved(model).item_vectors(OTHER), expected)


@torch.inference_mode()
def test_new_items_of_a_blend_are_new_to_each_member() -> None:
    vectors = moved(blend()).item_vectors(OTHER)
    roots = [(0.7 / 0.2) ** 0.5, 0.3**0.5]  # of weight over τ
    pairs = zip(blend().members, roots, strict=True)
    parts = [moved(member).item_vectors(OTHER) * root for member, root in pairs]
    torch.testing.assert_close(vectors, torch.cat(parts, dim=1))


@pytest.mark.parametrize("name", examples())
@torch.inference_mode()
def test_one_catalogue_after_another_is_the_last_of_them(name: str) -> None:
    back = [int(np.flatnonzero(item == TRAINED_INDEX)[0]) for item in (0, 1, 2, 4, 5)]
    model = moved(examples()[name]).for_items(np.array(back))
    kept = EMBEDDINGS[[0, 1, 2, 4, 5]]
    expected = examples()[name].for_items(np.array([0, 1, 2, 4, 5])).item_vectors(kept)
    torch.testing.assert_close(model.item_vectors(kept), expected)


def test_a_catalogue_of_new_items_alone_can_be_scored() -> None:
    for name, model in examples().items():
        vectors = model.for_items(np.array([-1, -1])).item_vectors(OTHER[:2])
        assert vectors.isfinite().all(), name
        assert len(vectors) == 2, name


def test_ids_of_items_that_are_gone_come_back_with_them() -> None:
    """The table keeps their rows; only a catalogue says which are in use."""
    model = learn(item_input="content_id")
    assert isinstance(model, Learn)
    assert model.for_items(TRAINED_INDEX).item_ids.num_embeddings == 6
