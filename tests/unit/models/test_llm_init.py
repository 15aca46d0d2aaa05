"""First tables by hand: which dimensions are taken, what is done to them, who gets the mean."""

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.llm_init import (
    FirstTables,
    InitConfig,
    Scale,
    Strategy,
    first_tables,
    item_rows,
    most_varied,
    principal_components,
    select,
    user_rows,
    xavier,
)

EMBEDDINGS = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)) * 2 + 1
# User 0 took item 1 twice; users 1 and 3 nothing.
EDGES = Edges.of(ItemLists.from_lists([[1, 0, 1], [], [1, 2, 4], []]), 5)
ALL = np.ones(5, dtype=bool)
WITHOUT_THE_THIRD = np.array([True, True, False, True, True])
UNIFORM = InitConfig(strategy=Strategy.UNIFORM)
VARIANCE = InitConfig(strategy=Strategy.VARIANCE)
RANDOM = InitConfig(strategy=Strategy.RANDOM)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def chosen(config: InitConfig, dim: int, available: int, seed: int = 0) -> list[int]:
    """The dimensions, where variance doesn't matter."""
    embeddings = torch.zeros(4, available)
    return select(config, dim, embeddings, np.arange(4), rng(seed)).tolist()


def tables(
    config: InitConfig, dim: int | None = 2, has_text: np.ndarray = ALL, seed: int = 0
) -> FirstTables:
    return first_tables(config, dim, EMBEDDINGS, has_text, EDGES, rng(seed))


def rows(
    config: InitConfig,
    dim: int | None = 2,
    embeddings: Tensor = EMBEDDINGS,
    has_text: np.ndarray = ALL,
) -> Tensor:
    """Of the items."""
    return item_rows(config, dim, embeddings, has_text, EDGES.item_degrees(), rng())


@pytest.mark.parametrize(
    ("available", "dim", "expected"),
    [
        (10, 3, [0, 3, 6]),
        (10, 10, list(range(10))),
        (10, 6, [0, 1, 2, 3, 4, 5]),
        (10, 1, [0]),
        (768, 128, list(range(0, 768, 6))),
        (1000, 128, list(range(0, 890, 7))),
    ],
)
def test_uniform_takes_every_so_manyth_from_the_first(
    available: int, dim: int, expected: list[int]
) -> None:
    assert chosen(UNIFORM, dim, available) == expected


@given(st.integers(1, 40), st.data())
def test_random_draws_no_dimension_twice_and_each_is_there(
    available: int, data: st.DataObject
) -> None:
    dim = data.draw(st.integers(1, available))
    drawn = chosen(RANDOM, dim, available, seed=data.draw(st.integers(0, 99)))
    assert len(set(drawn)) == dim
    assert set(drawn) <= set(range(available))


def test_all_dimensions_drawn_without_replacement_are_a_permutation() -> None:
    assert sorted(chosen(RANDOM, 20, 20)) == list(range(20))


def test_with_replacement_some_are_drawn_again_and_none_is_out_of_reach() -> None:
    again = InitConfig(strategy=Strategy.RANDOM, replacement=True)
    drawn = [chosen(again, 20, 20, seed) for seed in range(20)]
    assert all(len(row) == 20 and len(set(row)) < 20 for row in drawn)
    assert {dimension for row in drawn for dimension in row} == set(range(20))


@pytest.mark.parametrize("replacement", [False, True])
def test_random_hangs_on_the_seed(replacement: bool) -> None:
    config = InitConfig(strategy=Strategy.RANDOM, replacement=replacement)
    assert chosen(config, 9, 30, seed=4) == chosen(config, 9, 30, seed=4)
    assert chosen(config, 9, 30, seed=4) != chosen(config, 9, 30, seed=5)


# Ten items, of which 7 and 3 are the most popular; column 2 varies among these two, column 0
# among the others, column 3 a little everywhere.
DEGREES = np.array([1, 1, 1, 8, 1, 1, 1, 9, 1, 1])
VARIED = torch.zeros(10, 4)
VARIED[:3, 0] = 100.0
VARIED[7, 2] = 10.0
VARIED[[3, 5], 3] = 1.0


@pytest.mark.parametrize(
    ("popular_share", "dim", "expected"),
    [(0.2, 1, [2]), (0.2, 2, [2, 3]), (1.0, 1, [0]), (1.0, 2, [0, 2]), (0.2, 3, [0, 2, 3])],
)
def test_variance_is_over_the_most_popular_items_and_ascending(
    popular_share: float, dim: int, expected: list[int]
) -> None:
    config = InitConfig(strategy=Strategy.VARIANCE, popular_share=popular_share)
    assert select(config, dim, VARIED, DEGREES, rng()).tolist() == expected
    assert most_varied(dim, VARIED, DEGREES, popular_share).tolist() == expected


def test_a_fifth_of_the_items_is_what_variance_looks_at_unless_it_is_told() -> None:
    assert VARIANCE.popular_share == 0.2
    assert select(VARIANCE, 1, VARIED, DEGREES, rng()).tolist() == [2]


def test_of_equal_degrees_the_lower_index_is_more_popular() -> None:
    """Two of ten: items 0 and 1, which differ in column 2; items 8 and 9 differ in column 0."""
    embeddings = torch.zeros(10, 3)
    embeddings[0, 2], embeddings[9, 0] = 1.0, 50.0
    assert most_varied(1, embeddings, np.full(10, 3), 0.2).tolist() == [2]


def test_of_equal_variances_the_lower_dimension_is_taken() -> None:
    embeddings = torch.zeros(4, 40)
    embeddings[0, 5:] = 1.0
    assert most_varied(3, embeddings, np.arange(4), 1.0).tolist() == [5, 6, 7]


@pytest.mark.parametrize("popular_share", [0.01, 0.6])
def test_at_least_two_items_are_looked_at(popular_share: float) -> None:
    """One has no variance; 0.6 of three is one, too."""
    embeddings = torch.tensor([[0.0, 0.0, 9.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    assert most_varied(1, embeddings, np.array([0, 5, 4]), popular_share).tolist() == [1]


def test_a_share_is_of_the_items_that_were_taken_and_one_is_all_items() -> None:
    """A third of three taken ones is one, so two are looked at; the others vary in column 2."""
    embeddings = torch.zeros(9, 3)
    embeddings[7, 1] = 5.0
    embeddings[:6, 2] = torch.arange(6.0) * 10
    degrees = np.array([0, 0, 0, 0, 0, 0, 3, 2, 1])
    assert most_varied(1, embeddings, degrees, 0.34).tolist() == [1]
    assert most_varied(1, embeddings, degrees, 1.0).tolist() == [2]


def test_a_single_item_is_enough_for_variance() -> None:
    assert most_varied(2, torch.ones(1, 3), np.array([1]), 0.2).tolist() == [0, 1]


@given(st.integers(0, 99), st.integers(1, 6))
def test_variance_equals_that_of_numpy(seed: int, dim: int) -> None:
    embeddings = torch.randn(12, 6, generator=torch.Generator().manual_seed(seed)) + 100
    degrees = np.random.default_rng(seed).permutation(12) + 1
    popular = [item for item in range(12) if degrees[item] > 12 - int(0.5 * 12)]
    variances = embeddings[popular].double().numpy().var(axis=0)
    best = sorted(range(6), key=lambda column: -variances[column])[:dim]
    assert most_varied(dim, embeddings, degrees, 0.5).tolist() == sorted(best)


@pytest.mark.parametrize("dim", [1, 3, 5])
def test_pca_is_the_svd_of_the_centred_items_with_text(dim: int) -> None:
    embeddings = torch.randn(9, 5, generator=torch.Generator().manual_seed(1)) * 3 + 7
    known = torch.tensor([True] * 7 + [False] * 2)
    found = principal_components(embeddings, known, dim).numpy()
    taught = embeddings[:7].double().numpy()
    centred = embeddings.double().numpy() - taught.mean(axis=0)
    axes = np.linalg.svd(centred[:7], full_matrices=False)[2][:dim]
    assert found.shape == (9, dim)
    for column, axis in zip(found.T, axes, strict=True):
        sign = np.sign(axis[np.abs(axis).argmax()])  # its largest part is positive
        np.testing.assert_allclose(column, centred @ axis * sign, atol=1e-4)
    spread = found[:7].var(axis=0)
    assert (np.diff(spread) <= 0).all()


def test_pca_by_eye() -> None:
    """All that varies is along the second dimension, downwards or not."""
    for sign in (1.0, -1.0):
        embeddings = torch.zeros(3, 2)
        embeddings[:, 1] = sign * torch.tensor([1.0, 2.0, 6.0])
        found = principal_components(embeddings, torch.ones(3, dtype=torch.bool), 1)
        expected = sign * torch.tensor([[-2.0], [-1.0], [3.0]])
        torch.testing.assert_close(found, expected)


def test_full_is_the_embeddings_themselves() -> None:
    assert torch.equal(rows(InitConfig(strategy=Strategy.FULL), None), EMBEDDINGS)


@pytest.mark.parametrize("config", [UNIFORM, VARIANCE, InitConfig(strategy=Strategy.PCA)])
def test_without_a_size_a_row_is_as_long_as_an_embedding(config: InitConfig) -> None:
    embeddings = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    assert rows(config, None, embeddings).shape == (5, 4)


@pytest.mark.parametrize(("num_rows", "dim"), [(1000, 24), (10, 4096)])
def test_xavier_is_uniform_within_its_bound(num_rows: int, dim: int) -> None:
    found = xavier(num_rows, dim, rng())
    bound = sqrt(6 / (num_rows + dim))
    assert (found.shape, found.dtype) == ((num_rows, dim), torch.float32)
    assert 0.99 * bound < found.abs().max().item() <= bound * (1 + 1e-6)
    assert found.mean().item() == pytest.approx(0, abs=0.02 * bound)
    assert found.std().item() == pytest.approx(sqrt(2 / (num_rows + dim)), rel=0.02)


def test_xavier_begins_users_and_items_each_by_their_own_number() -> None:
    many, none = 4000, ItemLists.from_lists([[]] * 4000)
    edges = Edges.of(none, 10)
    config = InitConfig(strategy=Strategy.XAVIER)
    table = first_tables(config, 6, torch.zeros(10, 8), np.zeros(10, bool), edges, rng()).table
    assert table.shape == (many + 10, 6)
    assert table[:many].abs().max().item() == pytest.approx(sqrt(6 / (many + 6)), rel=0.01)
    assert table[many:].abs().max().item() == pytest.approx(sqrt(6 / (10 + 6)), rel=0.1)


def test_xavier_without_a_size_is_as_long_as_an_embedding_and_counts_nobody() -> None:
    first = tables(InitConfig(strategy=Strategy.XAVIER), None, WITHOUT_THE_THIRD)
    assert first.table.shape == (4 + 5, 6)
    assert first.fallbacks == {}


def test_selected_rows_are_left_as_they_are() -> None:
    assert torch.equal(rows(UNIFORM), EMBEDDINGS[:, [0, 3]])


def test_l2_makes_every_row_one_long() -> None:
    found = rows(InitConfig(strategy=Strategy.UNIFORM, scale=Scale.L2))
    expected = EMBEDDINGS[:, [0, 3]]
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True))


def test_matched_std_gives_the_spread_of_xavier() -> None:
    found = rows(InitConfig(strategy=Strategy.UNIFORM, scale=Scale.MATCHED_STD))
    values = EMBEDDINGS[:, [0, 3]]
    assert found.std(correction=0).item() == pytest.approx(sqrt(2 / (5 + 2)))
    torch.testing.assert_close(found / found[0, 0], values / values[0, 0])


@pytest.mark.parametrize("scale", list(Scale))
def test_centring_goes_before_scaling(scale: Scale) -> None:
    found = rows(InitConfig(strategy=Strategy.UNIFORM, centre=True, scale=scale))
    centred = EMBEDDINGS[:, [0, 3]] - EMBEDDINGS[:, [0, 3]].mean(dim=0)
    divisor = {
        Scale.NONE: 1,
        Scale.L2: centred.norm(dim=1, keepdim=True),
        Scale.MATCHED_STD: centred.std(correction=0) / sqrt(2 / (5 + 2)),
    }[scale]
    torch.testing.assert_close(found, centred / divisor)


def test_the_mean_that_is_subtracted_is_that_of_items_with_text() -> None:
    config = InitConfig(strategy=Strategy.UNIFORM, centre=True)
    found = rows(config, has_text=WITHOUT_THE_THIRD)
    known = EMBEDDINGS[[0, 1, 3, 4]][:, [0, 3]]
    torch.testing.assert_close(found[[0, 1, 3, 4]], known - known.mean(dim=0))
    torch.testing.assert_close(found[2], torch.zeros(2))


@pytest.mark.parametrize("strategy", [s for s in Strategy if s is not Strategy.XAVIER])
def test_items_without_text_get_the_mean_of_the_others_and_are_counted(strategy: Strategy) -> None:
    config, dim = InitConfig(strategy=strategy), None if strategy is Strategy.FULL else 2
    first = tables(config, dim, WITHOUT_THE_THIRD)
    items = first.table[4:]
    torch.testing.assert_close(items[2], items[[0, 1, 3, 4]].mean(dim=0), atol=1e-5, rtol=1e-5)
    assert first.fallbacks["items_without_text"] == 1
    assert tables(config, dim).fallbacks["items_without_text"] == 0


def test_users_are_the_mean_of_what_they_took_each_item_once() -> None:
    first = tables(UNIFORM)
    users, items = first.table[:4], first.table[4:]
    assert torch.equal(items, EMBEDDINGS[:, [0, 3]])
    torch.testing.assert_close(users[0], (items[0] + items[1]) / 2)
    torch.testing.assert_close(users[2], (items[1] + items[2] + items[4]) / 3)


def test_users_who_took_nothing_get_the_mean_of_the_others_and_are_counted() -> None:
    first = tables(UNIFORM)
    for nobody in (1, 3):
        torch.testing.assert_close(first.table[nobody], (first.table[0] + first.table[2]) / 2)
    assert first.fallbacks == {"items_without_text": 0, "users_without_history": 2}
    raw = user_rows(EMBEDDINGS, EDGES)
    assert not raw[[1, 3]].any()
    assert raw[[0, 2]].all()


def test_a_user_of_an_item_without_text_counts_its_mean() -> None:
    first = tables(UNIFORM, has_text=WITHOUT_THE_THIRD)
    items = EMBEDDINGS[:, [0, 3]].clone()
    items[2] = items[[0, 1, 3, 4]].mean(dim=0)
    torch.testing.assert_close(first.table[2], (items[1] + items[2] + items[4]) / 3)


def test_what_is_scaled_reaches_the_users() -> None:
    first = tables(InitConfig(strategy=Strategy.UNIFORM, scale=Scale.L2))
    torch.testing.assert_close(first.table[0], first.table[4:6].mean(dim=0))
    assert first.table[0].norm().item() < 1


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.XAVIER])
def test_the_same_seed_gives_the_same_tables_and_another_gives_others(strategy: Strategy) -> None:
    config = InitConfig(strategy=strategy)
    one, again, other = (tables(config, 3, seed=seed).table for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("strategy", [Strategy.UNIFORM, Strategy.VARIANCE, Strategy.PCA])
def test_what_is_not_random_hangs_on_no_seed(strategy: Strategy) -> None:
    config = InitConfig(strategy=strategy)
    assert torch.equal(tables(config, seed=1).table, tables(config, seed=2).table)


@pytest.mark.parametrize("config", [UNIFORM, VARIANCE, RANDOM])
def test_more_dimensions_than_there_are_can_not_be_selected(config: InitConfig) -> None:
    assert tables(config, 6).table.shape == (9, 6)
    expected = r"recipe: model\.dim: expected at most the 6 dimensions of the embeddings, found 7"
    with pytest.raises(InputError, match=expected):
        tables(config, 7)


def test_pca_has_no_more_axes_than_items_with_text() -> None:
    config = InitConfig(strategy=Strategy.PCA)
    assert tables(config, 4, WITHOUT_THE_THIRD).table.shape == (9, 4)
    with pytest.raises(InputError, match=r"model\.dim: expected at most 4, the smaller.*found 5"):
        tables(config, 5, WITHOUT_THE_THIRD)


@pytest.mark.parametrize("strategy", [s for s in Strategy if s is not Strategy.XAVIER])
def test_items_without_any_text_are_refused(strategy: Strategy) -> None:
    dim = None if strategy is Strategy.FULL else 2
    with pytest.raises(InputError, match="the items: expected some with text"):
        tables(InitConfig(strategy=strategy), dim, np.zeros(5, dtype=bool))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"strategy": "uniform", "replacement": True}, "replacement is for strategy random"),
        ({"replacement": True}, "replacement is for strategy random"),
        ({"strategy": "random", "popular_share": 0.5}, "popular_share is for strategy variance"),
        ({"strategy": "xavier", "centre": True}, "xavier doesn't"),
        ({"strategy": "xavier", "scale": "l2"}, "xavier doesn't"),
        ({"popular_share": 0}, "greater than 0"),
        ({"popular_share": 1.1}, "less than or equal to 1"),
        ({"strategy": "best"}, "strategy"),
        ({"strategi": "pca"}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        InitConfig.model_validate(settings)


def test_the_embeddings_stay_as_they_are() -> None:
    before = EMBEDDINGS.clone()
    for strategy in Strategy:
        dim = None if strategy is Strategy.FULL else 2
        scale = Scale.NONE if strategy is Strategy.XAVIER else Scale.L2
        config = InitConfig(strategy=strategy, scale=scale)
        tables(config, dim, WITHOUT_THE_THIRD).table.zero_()
    assert torch.equal(EMBEDDINGS, before)
