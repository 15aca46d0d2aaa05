"""The graph of a user tower, given rows of items, says what the model says of the items."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.models import graphs
from tests.unit.models.examples import EMBEDDINGS, EXAMPLES, blend, graph, learn, sasrec
from towerflow.interactions.histories import ItemLists
from towerflow.models.files import MODELS
from towerflow.models.item_to_item import ItemToItem
from towerflow.models.popularity import Popularity
from towerflow.models.reads import Reads
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.serving_tower import ServingTower, serving_tower

every_model = pytest.mark.parametrize("name", EXAMPLES)
Histories = list[list[int]]
TOWERS = {name: serving_tower(model) for name, model in EXAMPLES.items()}

# Items 0 … 4 are known, 5 is new; some are longer than any model's max_history.
some_histories: st.SearchStrategy[Histories] = st.lists(
    st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=4
)
fillers = st.sampled_from([0.0, 7.0, torch.nan, torch.inf, -torch.inf])


def run(
    tower: ServingTower,
    histories: Histories,
    *,
    users: list[int] | None = None,
    embeddings: Tensor = EMBEDDINGS,
    filler: float = torch.nan,
    more: int = 1,
) -> Tensor:
    """`[num_histories, dim]`, with `more` places than the longest needs, `filler` in the unused."""
    rows = tower.item_inputs(torch.arange(len(embeddings)), embeddings)
    longest = max(map(len, histories)) + more
    inputs = torch.full((len(histories), longest, rows.shape[1]), filler)
    for number, history in enumerate(histories):
        inputs[number, : len(history)] = rows[history]
    lengths = torch.tensor([len(history) for history in histories])
    given = [inputs, lengths]
    if tower.user_inputs is not None:
        own = torch.zeros(len(histories), tower.user_inputs.shape[1])
        for number, user in enumerate(users or []):
            if user >= 0:
                own[number] = tower.user_inputs[user]
        given.append(own)
    vectors: Tensor = tower.graph(*given)
    return vectors


def assert_parity(model: RetrievalModel, histories: Histories) -> None:
    """To 1e-5."""
    expected = model.user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
    found = run(serving_tower(model), histories)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_every_kind_of_model_is_here() -> None:
    assert {model.kind for model in EXAMPLES.values()} == set(MODELS)


@every_model
@given(some_histories)
@settings(max_examples=40)
@torch.inference_mode()
def test_vectors_are_the_models(name: str, histories: Histories) -> None:
    assert_parity(EXAMPLES[name], histories)


@pytest.mark.parametrize("positions", ["none", "learned", "rotary"])
@pytest.mark.parametrize("item_input", ["content", "id", "content_id", "sasrec"])
@given(some_histories)
@settings(max_examples=25)
@torch.inference_mode()
def test_deeper_towers_that_read_more(
    positions: str, item_input: str, histories: Histories
) -> None:
    sizes = {"positions": positions, "num_layers": 2, "max_history": 4}
    if item_input == "sasrec":
        assert_parity(sasrec(**sizes), histories)
    else:
        assert_parity(learn(item_input=item_input, dim=None, **sizes), histories)


@torch.inference_mode()
def test_sasrec_reads_as_many_as_it_can_of_those_that_it_knows() -> None:
    """Item 5 is new and takes nobody's place: `max_history` is 2."""
    tower = serving_tower(sasrec())
    found = run(tower, [[1, 2, 5, 5, 5], [1, 2], [0, 1, 5, 2], [5, 5], []])
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])
    assert found[0].any()
    assert not found[3:].any()


@pytest.mark.parametrize("num_layers", [0, 1, 3])
@pytest.mark.parametrize("connector", [False, True])
@given(
    st.lists(
        st.tuples(st.integers(-1, 4), st.lists(st.integers(0, 5), max_size=9)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=40)
def test_a_graph_knows_its_users(
    num_layers: int, connector: bool, asked: list[tuple[int, list[int]]]
) -> None:
    """Who is -1 is a stranger, and so is user 2, who took nothing in training."""
    model = graphs.graph_cf(num_layers, connector=connector, cosine=connector)
    histories = [history for _, history in asked]
    with_nobody = model.for_users(np.array([0, 1, 2, 3, 4, -1]))  # the sixth is nobody
    lists = replace(
        ItemLists.from_lists(histories),
        user_index=np.array([5 if user < 0 else user for user, _ in asked]),
    )
    found = run(
        serving_tower(model),
        histories,
        users=[user for user, _ in asked],
        embeddings=graphs.EMBEDDINGS,
    )
    expected = with_nobody.user_vectors(lists, graphs.EMBEDDINGS)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_users_of_a_graph_have_a_row_and_a_flag() -> None:
    inputs = serving_tower(graphs.graph_cf().for_users(np.array([3, -1, 2, 0]))).user_inputs
    assert inputs is not None
    nobody = torch.zeros(graphs.DIM + 1)
    first, last = (torch.cat([graphs.TABLE[user], torch.ones(1)]) for user in (3, 0))
    assert torch.equal(inputs, torch.stack([first, nobody, nobody, last]))


@every_model
@given(some_histories, fillers, st.integers(1, 7))
@settings(max_examples=20)
@torch.inference_mode()
def test_padding_changes_nothing(name: str, histories: Histories, filler: float, more: int) -> None:
    tower = TOWERS[name]
    found = run(tower, histories, filler=filler, more=more)
    torch.testing.assert_close(found, run(tower, histories, filler=0.0), atol=1e-5, rtol=1e-5)


@every_model
@given(some_histories)
@settings(max_examples=20)
@torch.inference_mode()
def test_others_change_nothing(name: str, histories: Histories) -> None:
    tower = TOWERS[name]
    alone = torch.cat([run(tower, [history]) for history in histories])
    torch.testing.assert_close(run(tower, histories), alone, atol=1e-5, rtol=1e-5)


@every_model
@given(st.lists(st.integers(0, 5), max_size=9))
@settings(max_examples=20)
@torch.inference_mode()
def test_what_is_not_read_changes_nothing(name: str, history: list[int]) -> None:
    """So serving needn't fetch it."""
    tower = TOWERS[name]
    rows = tower.item_inputs(torch.arange(6), EMBEDDINGS)
    needed: set[int] = set()
    for reads in tower.reads:
        read = [place for place, item in enumerate(history) if rows[item, reads.flag]]
        needed |= set(read[-reads.max_history :] if reads.max_history else read)
    shorter = [history[place] for place in sorted(needed)]
    torch.testing.assert_close(run(tower, [shorter]), run(tower, [history]), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_rows_end_in_a_flag_that_says_whether_the_item_is_read() -> None:
    for model, read in [
        (learn(), [1, 1, 1, 1, 1, 1]),
        (sasrec(), [1, 1, 1, 1, 1, 0]),
        (graph(), [1, 1, 1, 1, 1, 0]),
        (ItemToItem(torch.eye(6)), [1, 1, 1, 1, 1, 1]),
        (Popularity(torch.ones(6)), [0, 0, 0, 0, 0, 0]),
    ]:
        tower = serving_tower(model)
        rows = tower.item_inputs(torch.arange(6), EMBEDDINGS)
        assert [reads.flag for reads in tower.reads] == [rows.shape[1] - 1]
        assert rows[:, -1].tolist() == read
        assert not rows[rows[:, -1] == 0].any(), "nothing of items that aren't read"


@torch.inference_mode()
def test_a_blend_lays_rows_side_by_side() -> None:
    model, items = blend(), torch.arange(6)
    towers = [serving_tower(member) for member in (learn(item_input="content_id"), sasrec())]
    found = serving_tower(model)
    parts = [tower.item_inputs(items, EMBEDDINGS) for tower in towers]
    assert torch.equal(found.item_inputs(items, EMBEDDINGS), torch.cat(parts, dim=1))
    assert found.reads == (Reads(8, 2), Reads(17, 2))


@torch.inference_mode()
def test_rows_of_some_are_rows_of_all() -> None:
    some = torch.tensor([5, 0, 3])
    for tower in TOWERS.values():
        rows = tower.item_inputs(torch.arange(6), EMBEDDINGS)
        torch.testing.assert_close(tower.item_inputs(some, EMBEDDINGS), rows[some])


def test_tables_of_items_and_users_stay_outside_of_the_graph() -> None:
    for model in (learn(item_input="content_id"), sasrec(), graph(), blend()):
        held = serving_tower(model).graph.state_dict()
        assert not {"item_ids", "content_adaptor", "item_table", "user_table", "item_messages"} & {
            part for name in held for part in name.split(".")
        }


def test_towers_are_in_evaluation_mode() -> None:
    for tower in TOWERS.values():
        assert not any(module.training for module in tower.graph.modules())


def test_a_model_of_another_kind_is_our_own_mistake() -> None:
    other = type("Other", (), {"kind": "other"})()
    with pytest.raises(AssertionError, match="no serving tower for other"):
        serving_tower(other)
