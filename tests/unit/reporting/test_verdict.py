"""What a report says first: how the model stands, and what to mind."""

import pytest

from tests.unit.evaluation.held_out import held_out
from tests.unit.evaluation.made_up import LIVE, PRIMARY, SOUND, change, metrics
from tests.unit.evaluation.small_data import TEST, TRAIN, dataset
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.evaluation.resampling import Change
from towerflow.interactions.splits import SplitConfig, SplitKind
from towerflow.reporting.verdict import (
    CAVEATS,
    IDS_ALONE,
    SAMPLED,
    best_baseline,
    standings,
    warnings,
)


def minded(found: EvaluationMetrics, kind: SplitKind = SplitKind.TEMPORAL) -> list[str]:
    data = dataset([(0, 0, TRAIN), (0, 1, TEST)], 2, split=SplitConfig(kind=kind))
    return warnings(found, held_out(data))


def test_the_champion_comes_first_then_the_best_baseline() -> None:
    found = metrics(change(0.2, 0.4))  # .2 of the champion, 30 % more, .1 of the baseline
    champion, baseline = standings(found)
    assert champion.against == f"the champion, release {LIVE}"
    assert champion.words.replace("\xa0", " ") == "better by 30 %"
    assert champion.interval.replace("\xa0", " ") == "95 %: 20 to 40 %"
    assert champion.figures == "NDCG@10 0.2600 against 0.2000"
    assert champion.sign == "better"
    assert baseline.against == "the best baseline, popularity"
    assert baseline.figures == "NDCG@10 0.2600 against 0.1000"


def test_the_best_of_several_baselines_is_taken() -> None:
    better = {PRIMARY: 0.15}
    found = metrics().model_copy(
        update={"baselines": {"popularity": {PRIMARY: 0.1}, "content_mean": better}}
    )
    assert best_baseline(found) == "content_mean"
    assert [one.against for one in standings(found)] == ["the best baseline, content mean"]
    assert standings(found)[0].words == "not compared"  # nobody measured the change
    assert standings(found.model_copy(update={"baselines": {}})) == []


@pytest.mark.parametrize(
    ("low", "high", "sign"), [(-0.3, -0.1, "worse"), (-0.1, 0.2, "open"), (0.1, 0.2, "better")]
)
def test_a_sign_stands_for_what_is_shown_alone(low: float, high: float, sign: str) -> None:
    assert standings(metrics(change(low, high)))[0].sign == sign


def test_figures_that_cannot_be_trusted_are_doubtful() -> None:
    old = metrics(change(0.1, 0.2), not_comparable="it is old")
    assert [one.sign == "doubtful" for one in standings(old)] == [True, False]
    drawn = metrics(change(0.1, 0.2), full_ranking=False)
    assert [one.sign for one in standings(drawn)] == ["doubtful", "doubtful"]


def test_a_model_that_may_know_the_test_is_doubtful_whatever_stands_beside_it() -> None:
    began = {"not_comparable": "it began elsewhere"}
    found = metrics(change(0.1, 0.2)).model_copy(update=began)
    assert [one.sign for one in standings(found)] == ["doubtful", "doubtful"]
    assert [one.sign for one in standings(metrics().model_copy(update=began))] == ["doubtful"]
    assert minded(found) == [
        "The model may have been trained on what is tested here, so its figures may be too good: "
        "it began elsewhere."
    ]


def test_a_champion_that_could_not_be_scored_is_missed() -> None:
    found = metrics().model_copy(update={"unmeasured": "config.json: an unknown kind"})
    assert [one.against for one in standings(found)] == ["the best baseline, popularity"]
    assert minded(found) == ["What is live could not be scored: config.json: an unknown kind."]


def test_a_champion_that_finds_nothing_is_no_share() -> None:
    found = metrics(Change(change=None, low=None, high=None, p_value=0.001))
    assert standings(found)[0].words == "it finds nothing, this model does"
    assert standings(found)[0].sign == "better"
    few = metrics(Change(change=None, low=None, high=None, p_value=0.25))
    assert standings(few)[0].sign == "open"
    neither = few.model_copy(update={"model": {**few.model, PRIMARY: 0.0}})
    assert standings(neither)[0].words == "neither finds anything"
    assert standings(neither)[0].sign == "open"


def test_there_is_nothing_to_mind_of_a_sound_evaluation() -> None:
    assert minded(metrics(change(0.1, 0.2))) == []


def test_what_to_mind_of_the_test_comes_first() -> None:
    found = metrics(full_ranking=False, users=3)
    sampled, caveat, few = minded(found, SplitKind.RANDOM)
    assert sampled == SAMPLED
    assert "Krichene and Rendle" in sampled
    assert caveat == CAVEATS[SplitKind.RANDOM]
    assert few == "Only 3 users could be tested, which shows little of a model."
    assert minded(metrics(users=1))[0].startswith("Only 1 user could")


def test_what_to_mind_of_the_models() -> None:
    broken = SOUND.model_copy(update={"broken_items": 2})
    found = metrics(change(0.1, 0.2), health=broken, not_comparable="the split has changed")
    assert found.champion is not None
    champion = found.champion.model_copy(update={"unknown_items": 1200})
    vectors, trained, unknown, ids = minded(
        found.model_copy(update={"serves_new_items": False, "champion": champion})
    )
    assert vectors.startswith("The vectors must not be served: 2 item vectors")
    assert trained.endswith("may be too good: the split has changed.")
    assert "1,200 of 1,000 items" in unknown
    assert ids == IDS_ALONE
