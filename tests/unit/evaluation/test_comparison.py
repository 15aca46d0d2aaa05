"""The arithmetic of a comparison, by hand."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.evaluation.trials import trial
from towerflow.errors import InputError
from towerflow.evaluation.comparison import (
    COMPARISON_FILE,
    Comparison,
    RecipeResult,
    Spread,
    compare_trials,
)
from towerflow.evaluation.resampling import Interval
from towerflow.evaluation.significance import sign_flip_test

# Users' NDCG@10 by seed: means .2 and .4, .3 of both; the reference has .1 and .3, .2 of both.
BETTER = [trial([0.0, 0.2, 0.4], 0, seconds=10), trial([0.2, 0.4, 0.6], 1, seconds=30)]
REFERENCE = [trial([0.1, 0.1, 0.1], 0), trial([0.3, 0.3, 0.3], 1)]
WORST = [trial([0.0, 0.0, 0.0], 0)]
TRIALS = {"ease": REFERENCE, "popularity": WORST, "learn": BETTER}


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return compare_trials(TRIALS, {name: f"what {name} is" for name in TRIALS})


def result(compared: Comparison, recipe: str) -> RecipeResult:
    [found] = [one for one in compared.recipes if one.recipe == recipe]
    return found


def test_mean_and_deviation_over_seeds(compared: Comparison) -> None:
    learn = result(compared, "learn")
    assert learn.seeds == [0, 1]
    spread = learn.metrics["ndcg@10"]
    assert spread.mean == pytest.approx((0.2 + 0.4) / 2)
    assert spread.std == pytest.approx(np.sqrt(0.1**2 + 0.1**2))  # over n - 1 = 1
    assert learn.metrics["recall@10"].mean == pytest.approx(2 * 0.3)
    assert learn.slices["popularity: tail"] == pytest.approx({"users": 2, "ndcg@10": 0.15})
    assert (learn.epochs, learn.seconds, learn.parameters) == ((2 + 3) / 2, (10 + 30) / 2, 1000)
    assert learn.description == "what learn is"


def test_a_single_seed_has_no_deviation(compared: Comparison) -> None:
    assert result(compared, "popularity").metrics["ndcg@10"] == Spread(mean=0.0, std=None)


def test_the_interval_is_over_users_whose_seeds_are_averaged_first(compared: Comparison) -> None:
    # Users' means over both seeds are .1, .3, .5; all of the reference's are .2.
    assert result(compared, "learn").interval == Interval.of(np.array([0.1, 0.3, 0.5]))
    ease = result(compared, "ease").interval
    assert (ease.low, ease.high) == pytest.approx((0.2, 0.2))


def test_the_best_stands_first_and_of_equal_ones_the_one_named_first(compared: Comparison) -> None:
    assert [one.recipe for one in compared.recipes] == ["learn", "ease", "popularity"]
    equal = {"b": REFERENCE, "a": REFERENCE, "c": BETTER}
    ordered = compare_trials(equal, dict.fromkeys(equal, ""))
    assert [one.recipe for one in ordered.recipes] == ["c", "b", "a"]


def test_others_differ_from_the_one_named_first(compared: Comparison) -> None:
    assert compared.reference == "ease"
    assert result(compared, "ease").difference is None
    learn, popularity = (result(compared, name).difference for name in ("learn", "popularity"))
    assert learn is not None
    assert popularity is not None
    assert learn.change == pytest.approx((0.3 - 0.2) / 0.2)
    assert popularity.change == pytest.approx(-1)
    # Each user's mean over seeds, .1 .3 .5, less the reference's, .2 .2 .2.
    assert learn.p_value == sign_flip_test(np.array([-0.1, 0.1, 0.3]))
    assert popularity.p_value == sign_flip_test(np.array([-0.2, -0.2, -0.2]))


def test_there_is_no_share_of_nothing() -> None:
    compared = compare_trials({"zero": WORST, "learn": BETTER}, {"zero": "", "learn": ""})
    difference = result(compared, "learn").difference
    assert difference is not None
    assert difference.change is None


def test_what_was_tested_is_kept(compared: Comparison) -> None:
    assert (compared.num_users, compared.num_items, compared.dataset) == (3, 1000, "d" * 64)
    assert compared.baselines["popularity"]["ndcg@10"] == 0.125


def test_a_baseline_that_is_compared_anyway_is_not_shown_twice(compared: Comparison) -> None:
    assert compared.other_baselines == {}
    without = compare_trials({"content-mean": WORST}, {"content-mean": ""})
    assert list(without.other_baselines) == ["popularity"]
    also = without.model_copy(update={"baselines": {**without.baselines, "content_mean": {}}})
    assert list(also.other_baselines) == ["popularity"]


def test_it_is_read_back_as_written(compared: Comparison, tmp_path: Path) -> None:
    (tmp_path / COMPARISON_FILE).write_text(compared.model_dump_json(), "utf-8")
    assert Comparison.read(tmp_path) == compared


@pytest.mark.parametrize("content", ["{", "{}"])
def test_a_damaged_comparison_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / COMPARISON_FILE).write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"comparison\.json.*expected a comparison"):
        Comparison.read(tmp_path)


def test_a_missing_comparison_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"comparison\.json: expected a comparison"):
        Comparison.read(tmp_path)
