"""What holds of the ranking of a task: blocks, the order of users, broken vectors, ties."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.evaluation.small_data import Told
from towerflow.evaluation import protocol
from towerflow.evaluation.protocol import Result, Task, evaluate_model
from towerflow.interactions.histories import ItemLists
from towerflow.retrieval import topk
from towerflow.retrieval.topk import NO_ITEM

CUTOFFS = (1, 3, 10)


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Told, Task]:
    """Few scores, so many ties; what is to be found may be history; maybe few candidates."""
    num_items, num_users = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 999)))

    def some(least: int) -> ItemLists:
        lengths = rng.integers(least, num_items + 1, num_users)
        return ItemLists.from_lists([rng.permutation(num_items)[:length] for length in lengths])

    users = np.arange(num_users)
    histories, relevant = replace(some(0), user_index=users), some(1)
    posed = Task(
        users,
        histories,
        relevant,
        seen=draw(st.sampled_from([None, histories.last(0), histories.last(1)])),
        candidates=draw(st.sampled_from([None, some(0)])),
    )
    return Told(rng.integers(-1, 2, (num_users, num_items))), posed


def rank(model: Told, posed: Task, unranked: list[int] | None = None) -> Result:
    hidden = None if unranked is None else np.array(unranked, dtype=np.int64)
    num_items = model.table.shape[1]
    return evaluate_model(model, torch.zeros(num_items, 1), posed, CUTOFFS, hidden)


def assert_equal(one: Result, other: Result) -> None:
    assert one.recommended.tolist() == other.recommended.tolist()
    assert one.per_user.keys() == other.per_user.keys()
    for name, values in one.per_user.items():
        assert values.tolist() == other.per_user[name].tolist()


@given(tasks(), st.integers(1, 4), st.integers(1, 20), st.integers(1, 9))
def test_blocks_change_nothing(
    given: tuple[Told, Task], users: int, scores: int, items: int
) -> None:
    whole = rank(*given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "USERS_AT_ONCE", users)
        patch.setattr(topk, "SCORES_AT_ONCE", scores)
        patch.setattr(topk, "ITEMS_AT_ONCE", items)
        assert_equal(rank(*given), whole)


@given(tasks(), st.data())
def test_the_order_of_users_changes_nothing(given: tuple[Told, Task], data: st.DataObject) -> None:
    model, posed = given
    order = np.array(data.draw(st.permutations(range(len(posed.users)))))
    moved = Task(
        posed.users[order],
        posed.histories.take(order),
        posed.relevant.take(order),
        posed.seen.take(order) if posed.seen else None,
        posed.candidates.take(order) if posed.candidates else None,
    )
    whole = rank(model, posed)
    expected = Result(
        {name: values[order] for name, values in whole.per_user.items()}, whole.recommended[order]
    )
    assert_equal(rank(model, moved), expected)


@given(tasks(), st.lists(st.integers(0, 8), max_size=4))
def test_a_list_is_the_worst_order_of_what_may_be_in_it(
    given: tuple[Told, Task], unranked: list[int]
) -> None:
    model, posed = given
    num_items = model.table.shape[1]
    unranked = [item for item in unranked if item < num_items]
    found = rank(model, posed, unranked)
    for user in posed.users.tolist():
        hidden = {*(posed.seen or posed.histories)[user].tolist(), *unranked}
        competing = range(num_items) if not posed.candidates else posed.candidates[user].tolist()
        relevant, scores = posed.relevant[user].tolist(), model.table[user].tolist()
        left = sorted(
            set(competing) - hidden, key=lambda item: (-scores[item], item in relevant, item)
        )
        depth = min(max(CUTOFFS), num_items)
        assert found.recommended[user].tolist() == (left + [NO_ITEM] * depth)[:depth]


@given(tasks())
def test_what_is_hidden_is_never_found(given: tuple[Told, Task]) -> None:
    """Even if it is relevant: it counts as missed."""
    model, posed = given
    found = rank(model, replace(posed, seen=posed.relevant))
    assert all(not values.any() for values in found.per_user.values())


class Vectors:
    """A model of these vectors, user by user."""

    kind = "vectors"
    serves_new_items = False

    def __init__(self, users: Tensor, items: Tensor) -> None:
        self.users, self.items = users, items

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        return self.items

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        assert len(histories) == len(self.users)
        return self.users


NO_HISTORY = Task(
    np.arange(3), ItemLists.from_lists([[]] * 3), ItemLists.from_lists([[0], [1], [2]])
)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_an_item_of_a_broken_vector_is_recommended_to_nobody(broken: float) -> None:
    items = torch.eye(3)
    items[0, 1] = broken
    result = evaluate_model(Vectors(torch.eye(3), items), torch.zeros(3, 1), NO_HISTORY, (3,))
    assert result.recommended.tolist() == [[1, 2, NO_ITEM], [1, 2, NO_ITEM], [2, 1, NO_ITEM]]
    assert result.per_user["hit_rate@3"].tolist() == [0, 1, 1]
    assert not items[0, 1].isfinite()  # left as it was


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_user_of_a_broken_vector_is_recommended_nothing(broken: float) -> None:
    users = torch.eye(3)
    users[1, 2] = broken
    result = evaluate_model(Vectors(users, torch.eye(3)), torch.zeros(3, 1), NO_HISTORY, (3,))
    assert result.recommended[1].tolist() == [NO_ITEM] * 3
    assert result.per_user["hit_rate@3"].tolist() == [1, 0, 1]


def test_a_model_that_is_broken_altogether_finds_nothing() -> None:
    broken = Vectors(torch.eye(3), torch.full((3, 3), torch.nan))
    result = evaluate_model(broken, torch.zeros(3, 1), NO_HISTORY, CUTOFFS)
    assert (result.recommended == NO_ITEM).all()
    assert set(result.means().values()) == {0}


def test_what_cannot_be_served_is_added_to_what_is_broken() -> None:
    items = torch.eye(3)
    items[0] = torch.nan
    model = Vectors(torch.ones(3, 3), items)
    result = evaluate_model(model, torch.zeros(3, 1), NO_HISTORY, (3,), np.array([2]))
    assert result.recommended.tolist() == [[1, NO_ITEM, NO_ITEM]] * 3


def one_user(num_items: int) -> Task:
    """Who is to be given the last item."""
    return Task(np.arange(1), ItemLists.from_lists([[]]), ItemLists.from_lists([[num_items - 1]]))


@pytest.mark.parametrize("dim", [1, 64])
@pytest.mark.parametrize("num_items", [5, 50])
def test_a_model_that_has_collapsed_to_whole_numbers_finds_nothing(
    dim: int, num_items: int
) -> None:
    collapsed = Vectors(torch.ones(1, dim), torch.full((num_items, dim), 3.0))
    result = evaluate_model(collapsed, torch.zeros(num_items, 1), one_user(num_items), (4,))
    assert result.recommended.tolist() == [[0, 1, 2, 3]]


def test_nor_does_one_that_has_collapsed_to_any_vector() -> None:
    found = []
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        user, item = torch.randn(2, 1, 384, generator=generator)
        collapsed = Vectors(user, item.repeat(5, 1))
        result = evaluate_model(collapsed, torch.zeros(5, 1), one_user(5), (1, 4))
        found.append(result.per_user["hit_rate@4"][0])
    assert sum(found) == 0


def test_a_product_that_overflows_to_no_number_is_not_the_best() -> None:
    """Of finite vectors: 3e38 · 3e38 - 3e38 · 3e38."""
    items = torch.eye(3)
    items[2] = torch.tensor([3e38, 3e38, 0.0])
    broken = Vectors(torch.tensor([[3e38, -3e38, 1.0]]), items)
    result = evaluate_model(broken, torch.zeros(3, 1), one_user(3), (1,))
    assert result.per_user["hit_rate@1"].tolist() == [0]
