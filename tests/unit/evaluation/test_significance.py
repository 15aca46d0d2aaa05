"""The sign-flip test: right where it can be counted by hand, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation.significance import NUM_FLIPS, sign_flip_test

DIFFERENCES = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0.3], 2 / 2),  # + and - are equally far from zero
        ([0.3] * 5, 2 / 2**5),  # all + or all -
        ([0.3] * 4 + [-0.3], (2 + 2 * 5) / 2**5),  # those, and one of five on the other side
        ([0.1, 0.2, 0.4], 2 / 2**3),
        ([0.1, 0.2, -0.4], 8 / 2**3),  # the nearest to zero that there is
        ([0.1, -0.2, 0.4], (2 + 2 + 2) / 2**3),  # ±.3, ±.5, ±.7, but not ±.1
    ],
)
def test_small_samples_give_what_counting_gives(differences: list[float], expected: float) -> None:
    assert sign_flip_test(np.array(differences)) == pytest.approx(expected, abs=0.02)


def test_nothing_to_tell_apart_is_surely_chance() -> None:
    assert sign_flip_test(np.zeros(100)) == 1.0


def test_equal_models_with_other_users_are_seldom_told_apart() -> None:
    """Of 200 samples without a difference about 1 in 20 has a p of at most .05."""
    generator = np.random.default_rng(1)
    samples = generator.integers(-3, 4, size=(200, 60)) / 10
    found = sum(sign_flip_test(sample, num_flips=1000) <= 0.05 for sample in samples)
    assert 2 <= found <= 20


def test_a_planted_difference_is_found_and_more_users_make_it_surer() -> None:
    noise = np.random.default_rng(0).normal(size=10_000)
    few, many = (sign_flip_test(noise[:number] + 0.2) for number in (50, 10_000))
    assert many == 1 / (NUM_FLIPS + 1)
    assert many < few


@given(DIFFERENCES)
def test_it_does_not_matter_which_model_comes_first(differences: list[float]) -> None:
    one = np.array(differences)
    assert sign_flip_test(one, num_flips=200) == sign_flip_test(-one, num_flips=200)


@given(DIFFERENCES, st.randoms(use_true_random=False))
def test_the_order_of_users_does_not_matter(differences: list[float], random: object) -> None:
    shuffled = list(differences)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    given_order, other_order = (
        sign_flip_test(np.array(values), num_flips=200) for values in (differences, shuffled)
    )
    assert given_order == other_order
    assert 1 / 201 <= given_order <= 1
