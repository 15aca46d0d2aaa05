"""A blend scores by the weighted sum of its members' logits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.examples import EMBEDDINGS, HISTORIES, blend, learn, sasrec
from towerflow.interactions.histories import ItemLists
from towerflow.models.blend import Blend, Member
from towerflow.models.retrieval_model import RetrievalModel

# τ of each.
MEMBERS: list[tuple[Member, float]] = [
    (learn(temperature=0.05), 0.05),
    (learn(item_input="content_id", temperature=0.4, dim=5), 0.4),
    (sasrec(), 1.0),
]
weights = st.lists(st.floats(0.01, 3), min_size=3, max_size=3)


def scores(model: RetrievalModel, histories: ItemLists = HISTORIES) -> torch.Tensor:
    """`[num_users, num_items]`."""
    return model.user_vectors(histories, EMBEDDINGS) @ model.item_vectors(EMBEDDINGS).T


@given(weights, st.integers(2, 3))
@settings(max_examples=30)
@torch.inference_mode()
def test_a_score_is_the_weighted_sum_of_the_members_logits(
    weights: list[float], num_members: int
) -> None:
    chosen = MEMBERS[:num_members]
    model = Blend([member for member, _ in chosen], weights[:num_members])
    expected = np.zeros((3, 6))
    for weight, (member, temperature) in zip(weights, chosen, strict=False):
        expected += weight * scores(member).double().numpy() / temperature
    np.testing.assert_allclose(scores(model).numpy(), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_its_softmax_is_the_members_multiplied_to_the_power_of_their_weights() -> None:
    members = [member for member, _ in MEMBERS]
    pooled = torch.ones(3, 6, dtype=torch.double)
    for weight, (member, temperature) in zip([0.2, 0.5, 0.3], MEMBERS, strict=True):
        pooled *= (scores(member).double() / temperature).softmax(dim=1) ** weight
    found = scores(Blend(members, [0.2, 0.5, 0.3])).double().softmax(dim=1)
    torch.testing.assert_close(found, pooled / pooled.sum(1, keepdim=True), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_vectors_are_the_members_end_to_end() -> None:
    model = blend()
    roots = [(0.7 / 0.2) ** 0.5, (0.3 / 1.0) ** 0.5]  # of weight over τ, for both towers
    pairs = list(zip(model.members, roots, strict=True))
    items = [member.item_vectors(EMBEDDINGS) * root for member, root in pairs]
    users = [member.user_vectors(HISTORIES, EMBEDDINGS) * root for member, root in pairs]
    torch.testing.assert_close(model.item_vectors(EMBEDDINGS), torch.cat(items, dim=1))
    torch.testing.assert_close(model.user_vectors(HISTORIES, EMBEDDINGS), torch.cat(users, dim=1))
    assert torch.cat(users, dim=1).shape == (3, 3 + 8)


@torch.inference_mode()
def test_a_user_without_a_history_has_a_zero_vector() -> None:
    users = blend().user_vectors(HISTORIES, EMBEDDINGS)
    assert users[:2].any(dim=1).all()
    assert not users[2].any()


@pytest.mark.parametrize(
    ("members", "serves"),
    [
        ([learn(), sasrec()], True),
        ([sasrec(), learn(item_input="content_id")], True),
        ([sasrec(), learn(item_input="id")], False),
        ([sasrec(), sasrec()], False),
    ],
)
def test_it_serves_new_items_if_a_member_does(members: list[Member], serves: bool) -> None:
    assert Blend(members, [0.5, 0.5]).serves_new_items == serves


@torch.inference_mode()
def test_restored_it_scores_the_same() -> None:
    """More than ten members, so that 1 and 10 must not be mixed up."""
    members: list[Member] = []
    for seed in range(12):
        member = sasrec() if seed % 3 else learn(item_input="content_id")
        torch.manual_seed(seed)
        torch.nn.init.normal_(next(iter(member.parameters())))
        members.append(member)
    model = Blend(members, [0.1 * (number + 1) for number in range(12)])
    again = Blend.restore(model.config(), model.tensors())
    assert again.weights == model.weights
    assert torch.equal(scores(again), scores(model))


def test_every_member_needs_a_weight() -> None:
    model = Blend([learn(), sasrec()], [1.0])
    with pytest.raises(ValueError, match="shorter"):
        model.user_vectors(HISTORIES, EMBEDDINGS)


@torch.inference_mode()
def test_over_another_catalogue_scores_move_with_their_items() -> None:
    order = np.array([3, 0, 5, 1, 4, 2])
    place = np.argsort(order)  # where each item went
    histories = ItemLists(place[HISTORIES.items], HISTORIES.offsets)
    model, before = blend().for_items(order), scores(blend())
    users = model.user_vectors(histories, EMBEDDINGS[order])
    found = users @ model.item_vectors(EMBEDDINGS[order]).T
    torch.testing.assert_close(found[:, place], before, atol=1e-4, rtol=1e-4)
    assert model.weights == [0.7, 0.3]
