"""Packing: what was laid out comes back, and only the same sequence is seen, never the future."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.interactions.histories import ItemLists
from towerflow.models.packed import PackedSequences

CPU = torch.device("cpu")
sequences = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=8)


def packed(lists: list[list[int]]) -> PackedSequences:
    """Laid out on the CPU."""
    return PackedSequences.pack(ItemLists.from_lists(lists), CPU)


def owners(lists: list[list[int]]) -> list[list[tuple[int, int] | None]]:
    """Of each place of each row: which sequence stands there and how far into it; None: unused."""
    made = packed(lists)
    num_rows, _, length, _ = made.visible.shape
    rows: list[list[tuple[int, int] | None]] = [[None] * length for _ in range(num_rows)]
    tokens = [(number, place) for number, row in enumerate(lists) for place in range(len(row))]
    for place, token in zip(made.places.tolist(), tokens, strict=True):
        assert rows[place // length][place % length] is None, "one token to a place"
        rows[place // length][place % length] = token
    return rows


def fills(lists: list[list[int]]) -> list[int]:
    """Tokens in each row."""
    return [sum(place is not None for place in row) for row in owners(lists)]


@given(sequences)
def test_items_and_positions_stay_in_the_order_given(lists: list[list[int]]) -> None:
    made = packed(lists)
    assert made.items.tolist() == [item for row in lists for item in row]
    assert made.positions.tolist() == [place for row in lists for place in range(len(row))]


@given(sequences)
def test_what_is_spread_is_gathered_again(lists: list[list[int]]) -> None:
    made = packed(lists)
    tokens = torch.arange(1.0, 1 + 2 * len(made.items)).view(-1, 2)
    rows = made.spread(tokens)
    assert torch.equal(made.gather(rows), tokens)
    assert rows.sum() == tokens.sum(), "zeros in unused places"


@given(sequences)
def test_a_place_sees_its_own_sequence_up_to_itself(lists: list[list[int]]) -> None:
    visible = packed(lists).visible.squeeze(1).tolist()
    for seen, row in zip(visible, owners(lists), strict=True):
        for query, asking in enumerate(row):
            for key, asked in enumerate(row):
                if asking is not None:
                    same = asked is not None and asked[0] == asking[0]
                    assert seen[query][key] == (same and asked[1] <= asking[1])


@given(sequences)
def test_an_unused_place_sees_itself_and_no_token(lists: list[list[int]]) -> None:
    visible = packed(lists).visible.squeeze(1).tolist()
    for seen, row in zip(visible, owners(lists), strict=True):
        for query, asking in enumerate(row):
            if asking is None:
                assert seen[query][query], "attention over nothing would be NaN"
                assert not any(seen[query][key] for key, asked in enumerate(row) if asked)


@given(sequences)
def test_a_sequence_stands_in_one_row_in_one_piece(lists: list[list[int]]) -> None:
    found = {}
    for number, row in enumerate(owners(lists)):
        for place, token in enumerate(row):
            if token is not None:
                found[token] = (number, place)
    for number, items in enumerate(lists):
        row, start = found[number, 0]
        assert [found[number, place] for place in range(len(items))] == [
            (row, start + place) for place in range(len(items))
        ]


@given(sequences)
def test_rows_are_as_long_as_the_longest_sequence(lists: list[list[int]]) -> None:
    num_rows, one, queries, keys = packed(lists).visible.shape
    assert (one, queries, keys) == (1, max(map(len, lists)), max(map(len, lists)))
    assert num_rows <= len(lists)


@given(sequences)
def test_no_two_rows_would_fit_in_one(lists: list[list[int]]) -> None:
    filled = fills(lists)
    assert all(filled), "no row is empty"
    assert all(one + other > max(map(len, lists)) for one, other in combinations(filled, 2))


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([4, 1, 1, 1, 1], [4, 4]),
        ([1, 1, 1, 1, 4], [4, 4]),
        ([3, 2, 1], [3, 3]),
        ([5, 3, 3, 2, 2], [5, 5, 5]),
        ([2, 2, 2], [2, 2, 2]),
        ([1], [1]),
    ],
)
def test_short_sequences_fill_the_rows(lengths: list[int], expected: list[int]) -> None:
    assert fills([[0] * length for length in lengths]) == expected


def test_the_mask_of_a_full_row_by_eye() -> None:
    seen = packed([[7, 8, 9], [5, 6], [4]]).visible.squeeze(1).int().tolist()
    assert seen == [
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]],  # 7 8 9
        [[1, 0, 0], [1, 1, 0], [0, 0, 1]],  # 5 6 | 4
    ]
