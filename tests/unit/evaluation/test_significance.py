"""The sign-flip test: right where it can be counted by hand, and its laws."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.evaluation import significance
from towerflow.evaluation.significance import MOST_DISTINCT, NUM_FLIPS, sign_flip_test

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
    few, many, most = (sign_flip_test(noise[:number] + 0.2) for number in (50, 4_000, 10_000))
    assert many == 1 / (NUM_FLIPS + 1)
    assert 0 < most < many < few


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


def of_size(number: int, shift: float) -> np.ndarray:
    """So many differences, no two alike, which are `shift` of their spread off in the mean."""
    values = np.random.default_rng(number).normal(size=number)
    values -= values.mean()
    return values + shift * np.sqrt((values**2).mean() / number)


@pytest.mark.parametrize("shift", [0.0, 0.3, -1.0, 1.96, -2.5])
@pytest.mark.parametrize("number", [500, MOST_DISTINCT])
def test_the_limit_is_what_flips_give_but_for_their_sampling_error(
    monkeypatch: pytest.MonkeyPatch, number: int, shift: float
) -> None:
    differences = of_size(number, shift)
    flips = sign_flip_test(differences)
    monkeypatch.setattr(significance, "MOST_DISTINCT", number - 1)
    limit = sign_flip_test(differences)
    assert flips != limit or shift == 0
    error = np.sqrt(limit * (1 - limit) / NUM_FLIPS)
    assert abs(flips - limit) <= 4 * error + 2 / NUM_FLIPS


def test_the_limit_is_taken_beyond_so_many_different_sizes_not_users() -> None:
    """A change of sign is no other size, nor are many users of one."""
    several = np.repeat(of_size(MOST_DISTINCT, 2.0), 3)
    assert sign_flip_test(several, seed=0) != sign_flip_test(several, seed=1)
    more = of_size(MOST_DISTINCT + 1, 2.0)
    assert sign_flip_test(more, seed=0) == sign_flip_test(more, seed=1)
    assert sign_flip_test(more) == pytest.approx(0.0455, rel=0.01)  # of the normal distribution
    mirrored = np.concatenate([several[:MOST_DISTINCT], -several[:MOST_DISTINCT]])
    assert sign_flip_test(mirrored) == 1


def test_beyond_it_laws_hold_and_what_is_sure_may_be_surer_than_flips_can_tell() -> None:
    differences = of_size(MOST_DISTINCT + 1, 2.0)
    found = sign_flip_test(differences)
    assert sign_flip_test(-differences) == found
    assert sign_flip_test(differences[::-1]) == pytest.approx(found, rel=1e-9)
    assert sign_flip_test(5 * differences) == pytest.approx(found, rel=1e-9)
    assert sign_flip_test(np.append(differences, np.zeros(999))) == pytest.approx(found, rel=1e-9)
    centred = differences - differences.mean()
    assert sign_flip_test(centred) == pytest.approx(1, abs=1e-6)
    sure = sign_flip_test(of_size(MOST_DISTINCT + 1, 10.0))
    assert 0 < sure < 1 / (NUM_FLIPS + 1)


def test_a_hundred_thousand_users_take_no_time() -> None:
    """Flips would draw a thousand million numbers."""
    differences = of_size(100_000, 1.0)
    start = time.process_time()
    assert sign_flip_test(differences) == pytest.approx(0.3173, rel=0.01)
    assert time.process_time() - start < 2
