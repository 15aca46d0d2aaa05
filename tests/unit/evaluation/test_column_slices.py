"""Carried columns: values one by one where they are few, quarters where they are numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evaluation.small_data import TEST, dataset
from towerflow.evaluation.column_slices import MOST_VALUES, column_slices
from towerflow.interactions.dataset import Dataset

Values = list[str | None]


def of_events(values: Values) -> Dataset:
    """As many users as values, each with one event."""
    events = [(user, 0, TEST) for user in range(len(values))]
    return dataset(events, 1, event_columns={"c": values})


def found(values: Values) -> dict[str, tuple[str, list[int]]]:
    """Description and rows, by name, of what holds anything."""
    rows = np.arange(len(values))
    items = np.zeros(len(values), dtype=np.int64)
    slices = column_slices(of_events(values), items, rows, taken=())
    return {
        name: (described, keep.nonzero()[0].tolist())
        for name, described, keep in slices
        if keep.any()
    }


def test_few_values_are_shown_one_by_one_the_most_frequent_first() -> None:
    slices = found(["NL", "DE", None, "DE", "AT"])
    assert list(slices.items()) == [
        ("c: DE", ("c is DE", [1, 3])),
        ("c: AT", ("c is AT", [4])),  # by name where equally many
        ("c: NL", ("c is NL", [0])),
        ("c: (empty)", ("no value", [2])),
    ]


def test_of_many_words_the_rarest_are_the_others() -> None:
    """Eleven words: a twice, all others once; h to k have no place."""
    slices = found(["a", *"kjihgfedcba"])
    assert list(slices) == [*(f"c: {letter}" for letter in "abcdefgh"), "c: (others)"]
    assert slices["c: a"] == ("c is a", [0, 11])
    assert slices["c: (others)"] == ("other values: 3", [1, 2, 3])  # k, j, i


@pytest.mark.parametrize("num_values", [MOST_VALUES, MOST_VALUES + 1])
def test_numbers_are_values_until_they_are_many(num_values: int) -> None:
    slices = found([str(number) for number in range(num_values)])
    if num_values == MOST_VALUES:
        assert set(slices) == {f"c: {number}" for number in range(MOST_VALUES)}
    else:
        assert list(slices) == ["c: lowest", "c: lower", "c: higher", "c: highest"]


def test_quarters_by_eye() -> None:
    """Of 0 to 12 the quartiles are 3, 6 and 9."""
    values: Values = [*(str(number) for number in range(13)), None]
    assert found(values) == {
        "c: lowest": ("up to 3", [0, 1, 2, 3]),
        "c: lower": ("above 3, up to 6", [4, 5, 6]),
        "c: higher": ("above 6, up to 9", [7, 8, 9]),
        "c: highest": ("above 9, up to 12", [10, 11, 12]),
        "c: (empty)": ("no value", [13]),
    }


def test_numbers_that_are_often_the_same_make_fewer_than_four() -> None:
    """Three quarters are 0: all of them are the lowest, nothing is left for the next two."""
    values: Values = [*["0"] * 30, *(str(number) for number in range(1, 11))]
    assert {name: rows for name, (_, rows) in found(values).items()} == {
        "c: lowest": list(range(30)),
        "c: highest": list(range(30, 40)),
    }


def test_one_word_among_numbers_makes_them_all_words() -> None:
    assert "c: 7" in found([*map(str, range(8)), "many"])


def test_a_column_without_any_value_is_empty() -> None:
    assert found([None, None]) == {"c: (empty)": ("no value", [0, 1])}


def test_items_and_events_each_have_their_rows() -> None:
    """Users 0 to 2 took items 2, 0 and 2; the test asks for the events of users 2 and 1."""
    data = dataset(
        [(0, 2, TEST), (1, 0, TEST), (2, 2, TEST)],
        3,
        item_columns={"brand": ["x", "y", "z"]},
        event_columns={"device": ["tv", "pc", None]},
    )
    slices = column_slices(data, np.array([2, 0]), np.array([2, 1]), taken=())
    kept = {name: keep.tolist() for name, _, keep in slices if keep.any()}
    assert kept == {
        "brand: x": [False, True],
        "brand: z": [True, False],
        "device: pc": [False, True],
        "device: (empty)": [True, False],
    }


texts = st.sampled_from(["a", "b", "1", "2.5", "-3", *"cdefghij"])
numbers = st.integers(-50, 50).map(str)


@given(st.lists(st.none() | texts, min_size=1) | st.lists(st.none() | numbers, min_size=1))
def test_everything_is_in_one_slice_of_its_column(values: Values) -> None:
    rows = sorted(row for _, kept in found(values).values() for row in kept)
    assert rows == list(range(len(values)))


@given(st.lists(st.none() | texts | numbers, min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(values: Values, random: object) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def contents(of: Values) -> list[tuple[str, str, list[str]]]:
        return [
            (name, described, sorted(str(of[row]) for row in rows))
            for name, (described, rows) in found(of).items()
        ]

    assert contents(shuffled) == contents(values)


@given(st.lists(st.integers(-1000, 1000), min_size=40, max_size=60, unique=True))
def test_quarters_of_different_numbers_are_about_equally_large(values: list[int]) -> None:
    sizes = [len(rows) for _, rows in found([str(number) for number in values]).values()]
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("infinite", ["inf", "-inf", "Infinity", "nan", "1e999"])
def test_one_that_is_not_finite_makes_them_all_words(infinite: str) -> None:
    """Ten numbers, of which only eight have a place beside it, taken three times."""
    slices = found([*(str(number) for number in range(10)), *[infinite] * 3])
    assert list(slices) == [
        f"c: {infinite}",
        *(f"c: {number}" for number in range(7)),
        "c: (others)",
    ]
    assert slices[f"c: {infinite}"] == (f"c is {infinite}", [10, 11, 12])
    assert slices["c: (others)"] == ("other values: 3", [7, 8, 9])


def test_values_that_look_like_our_names_are_quoted() -> None:
    values: Values = ["(others)", "(empty)", "'(empty)'", "it's", "(", None, *"abcd"]
    names = [
        "c: '('",
        "c: '(empty)'",
        "c: '(others)'",
        "c: ''(empty)''",
        *(f"c: {letter}" for letter in "abcd"),
        "c: (others)",
        "c: (empty)",
    ]
    slices = found(values)
    assert sorted(slices) == sorted(names)
    assert slices["c: '(others)'"] == ("c is (others)", [0])
    assert slices["c: (others)"] == ("other values: 1", [3])  # it's
    assert slices["c: (empty)"] == ("no value", [5])


odd = st.sampled_from(["(others)", "(empty)", "'(others)'", "'(empty)'", "''(empty)''", "(", "'"])


@given(st.lists(st.none() | odd | texts, min_size=1))
def test_no_two_slices_of_a_column_have_one_name(values: Values) -> None:
    rows = np.arange(len(values))
    slices = column_slices(of_events(values), np.zeros(len(values), dtype=np.int64), rows, taken=())
    names = [name for name, _, _ in slices]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("words", [True, False])
def test_a_column_that_could_be_taken_for_another_is_told_by_its_source(words: bool) -> None:
    """`both` is in both sources, `ours` is a group that there is already."""
    values: Values = [f"x{row}" if words else str(row) for row in range(10)]
    cells = dict.fromkeys(("both", "ours", "free"), values)
    events = [(row, row, TEST) for row in range(10)]
    data = dataset(events, 10, item_columns=cells, event_columns={"both": values, "mine": values})
    slices = column_slices(data, np.arange(10), np.arange(10), taken=["ours", "theirs"])
    groups = {name.partition(": ")[0] for name, _, _ in slices}
    assert groups == {"item both", "interaction both", "item ours", "free", "mine"}


def test_bounds_of_large_and_long_numbers_can_be_read() -> None:
    """Seconds since 1970 have ten digits, milliseconds have thirteen."""
    seconds = found([str(1_700_000_000 + number) for number in range(13)])
    assert [described for described, _ in seconds.values()] == [
        "up to 1700000003",
        "above 1700000003, up to 1700000006",
        "above 1700000006, up to 1700000009",
        "above 1700000009, up to 1700000012",
    ]
    shares = found([f"0.{number:02d}" for number in range(10, 23)])
    assert shares["c: lowest"][0] == "up to 0.13"
    long = found([f"123456.78{number:02d}" for number in range(13)])
    assert long["c: lower"][0] == "above 123456.7803, up to 123456.7806"
