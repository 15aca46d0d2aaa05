"""New, tail, torso and head: by eye, and what holds of any catalogue."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation.popularity_groups import GROUPS, PopularityGroups, exposures

NEW, TAIL, TORSO, HEAD = range(4)


def group(popularity: list[int]) -> list[int]:
    found: list[int] = PopularityGroups.of(np.array(popularity, dtype=np.int64)).group.tolist()
    return found


@pytest.mark.parametrize(
    ("popularity", "expected"),
    [
        ([6, 1, 1, 1, 1, 1, 1, 2, 2, 2], [HEAD, *[TAIL] * 6, *[TORSO] * 3]),  # 6 of 18 each
        ([0, 5, 0], [NEW, TORSO, NEW]),  # its middle is the middle of all
        ([3, 3, 3], [TORSO] * 3),  # equal ones stay together
        ([1, 2, 6], [TAIL, TAIL, HEAD]),  # middles: .5, 2 and 6 of 9
        ([1, 1, 2], [TAIL, TAIL, HEAD]),  # 1 and 3 of 4
        ([0, 0], [NEW, NEW]),
        ([], []),
    ],
)
def test_groups_by_eye(popularity: list[int], expected: list[int]) -> None:
    assert group(popularity) == expected


def test_they_are_told_in_words() -> None:
    found = PopularityGroups.of(np.array([0, 1, 2, 3, 3]))  # middles: .5, 2 and 6 of 9
    assert found.descriptions == (
        "never in training",
        "taken by 1 to 2 in training",
        "none",
        "taken by 3 in training",
    )


popularities = st.lists(st.integers(0, 30), max_size=30)


@given(popularities)
def test_what_is_more_popular_is_in_no_lower_group(popularity: list[int]) -> None:
    found = group(popularity)
    for one, of_one in zip(popularity, found, strict=True):
        assert (of_one == NEW) == (one == 0)
        for other, of_other in zip(popularity, found, strict=True):
            assert one != other or of_one == of_other
            assert one >= other or of_one <= of_other


@given(popularities.filter(any))
def test_each_ends_within_half_a_level_of_its_third(popularity: list[int]) -> None:
    """A level, all items of one popularity, is in one group or the next, not in both."""
    found, taken = np.array(group(popularity)), np.array(popularity)
    largest = max(level * popularity.count(level) for level in popularity)
    for last, share in ((TAIL, 1 / 3), (TORSO, 2 / 3)):
        end = taken[found <= last].sum()
        assert abs(end - share * taken.sum()) <= largest / 2 + 1e-9


@given(popularities, st.randoms(use_true_random=False))
def test_the_order_of_items_changes_nothing(popularity: list[int], random: object) -> None:
    shuffled = popularity.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    by_popularity = dict(zip(popularity, group(popularity), strict=True))
    assert group(shuffled) == [by_popularity[level] for level in shuffled]


# The first of the examples above, without item 9.
POPULARITY = np.array([6, 1, 1, 1, 1, 1, 1, 2, 4, 0])


def test_exposure_by_eye() -> None:
    """18 interactions; tail: items 1 to 6, torso: item 7 and 8, head: item 0."""
    groups = PopularityGroups.of(POPULARITY)
    assert groups.group.tolist() == [HEAD, *[TAIL] * 6, TORSO, TORSO, NEW]
    taken = np.array([2, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    shown = np.array([9, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    found = exposures(groups, POPULARITY, taken, shown)
    assert [(one.group, one.items) for one in found] == [
        ("new", 1),
        ("tail", 6),
        ("torso", 2),
        ("head", 1),
    ]
    assert [one.trained for one in found] == [0, 6 / 18, 6 / 18, 6 / 18]
    assert [one.taken for one in found] == [1 / 4, 0, 1 / 4, 2 / 4]
    assert [one.recommended for one in found] == [0, 1 / 10, 0, 9 / 10]
    assert found[0].description == "never in training"


@given(popularities.filter(len), st.data())
def test_shares_add_up_to_all_or_to_nothing(popularity: list[int], data: st.DataObject) -> None:
    size = len(popularity)
    some = st.lists(st.integers(0, 5), min_size=size, max_size=size)
    taken, shown = data.draw(some), data.draw(some)
    found = exposures(
        PopularityGroups.of(np.array(popularity)),
        *(np.array(weights) for weights in (popularity, taken, shown)),
    )
    assert sum(one.items for one in found) == size
    assert [one.group for one in found] == [
        name for place, name in enumerate(GROUPS) if place in group(popularity)
    ]
    for name, weights in (("trained", popularity), ("taken", taken), ("recommended", shown)):
        total = sum(getattr(one, name) for one in found)
        assert total == pytest.approx(1 if sum(weights) else 0)
