"""Whether a model may be judged on a Dataset, by what it was trained on."""

import pytest
from pydantic import JsonValue

from tests.conftest import Run
from tests.unit.evaluation.small_data import TRAIN, dataset
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.splits import FewShot, SplitConfig, SplitKind
from towerflow.interactions.trained_on import TRAINED_ON, TrainedOn
from towerflow.storage.artifact import read_manifest

TODAY, YESTERDAY = "1" * 64, "0" * 64


TEMPORAL, RANDOM = SplitConfig(), SplitConfig(kind=SplitKind.RANDOM)
SETTINGS = "it was trained with other settings of split or filters"
BEGAN = "it began as a model of which that is so: "


def data(
    split: SplitConfig, content_hash: str = TODAY, made: dict[str, JsonValue] | None = None
) -> Dataset:
    return dataset([(0, 0, TRAIN)], 1, split=split, made=made, content_hash=content_hash)


@pytest.mark.parametrize("kind", SplitKind)
def test_on_its_own_dataset_a_model_may_always_be_judged(kind: SplitKind) -> None:
    own = data(SplitConfig(kind=kind))
    assert TrainedOn.made_of(own).why_not_judged_on(own) == ""


@pytest.mark.parametrize("kind", [kind for kind in SplitKind if kind is not SplitKind.RANDOM])
def test_by_time_or_by_item_it_may_be_judged_on_what_came_later(kind: SplitKind) -> None:
    before = TrainedOn.made_of(data(SplitConfig(kind=kind), YESTERDAY))
    assert before.why_not_judged_on(data(SplitConfig(kind=kind))) == ""


def test_a_random_split_of_other_data_may_have_taught_what_is_tested() -> None:
    random = SplitConfig(kind=SplitKind.RANDOM)
    before = TrainedOn.made_of(data(random, YESTERDAY))
    assert before.why_not_judged_on(data(random)).startswith("a random split of other data")


@pytest.mark.parametrize(
    "other",
    [
        SplitConfig(kind=SplitKind.RANDOM),
        SplitConfig(kind=SplitKind.GLOBAL_TIME),
        SplitConfig(share=0.2),
        SplitConfig(few_shot=FewShot.HALF),
        SplitConfig(seed=1),
    ],
)
def test_other_settings_of_the_split_may_have_taught_it_too(other: SplitConfig) -> None:
    for then, now in ((other, SplitConfig()), (SplitConfig(), other)):
        before = TrainedOn.made_of(data(then, YESTERDAY))
        assert before.why_not_judged_on(data(now)) == SETTINGS


@pytest.mark.parametrize("made", [{"filters": {"min_rating": 4.0}}, {"catalogue": "interacted"}])
def test_so_may_other_filters_or_another_catalogue(made: dict[str, JsonValue]) -> None:
    """With fewer interactions, the last one of a user is another."""
    for then, now in ((made, None), (None, made)):
        before = TrainedOn.made_of(data(TEMPORAL, YESTERDAY, then))
        assert before.why_not_judged_on(data(TEMPORAL, TODAY, now)) == SETTINGS
        assert before.why_not_judged_on(data(TEMPORAL, YESTERDAY, now)) == ""  # the same data


def test_other_details_of_a_dataset_decide_nothing() -> None:
    before = TrainedOn.made_of(data(TEMPORAL, YESTERDAY, {"data_version": "1"}))
    assert before.why_not_judged_on(data(TEMPORAL, TODAY, {"data_version": "2"})) == ""


@pytest.mark.parametrize(
    ("began_on", "why"), [(SplitConfig(seed=1), SETTINGS), (RANDOM, SETTINGS), (TEMPORAL, "")]
)
def test_what_a_model_began_as_counts_too(began_on: SplitConfig, why: str) -> None:
    """Also on the very Dataset that it was trained on in the end."""
    began = TrainedOn.made_of(data(began_on, YESTERDAY))
    found = TrainedOn.made_of(data(TEMPORAL), began)
    assert found.before == ((began,) if why else ())
    for later in (TODAY, "2" * 64):
        assert found.why_not_judged_on(data(TEMPORAL, later)) == (why and BEGAN + why)


def test_of_random_splits_each_one_that_it_began_on_counts() -> None:
    yesterday, today = data(RANDOM, YESTERDAY), data(RANDOM)
    began = TrainedOn.made_of(yesterday)
    found = TrainedOn.made_of(today, began)
    assert found.before == (began,)
    assert "a random split of other data" in found.why_not_judged_on(today)
    assert TrainedOn.made_of(yesterday, began).before == ()  # more epochs on the same data


def test_a_long_way_is_told_flat_and_without_what_teaches_nothing() -> None:
    """Trained by share .2, then thrice by the usual settings, then by share .2 again."""
    other = SplitConfig(share=0.2)
    first = TrainedOn.made_of(data(other, "a" * 64))
    second = TrainedOn.made_of(data(TEMPORAL, "b" * 64), first)
    third = TrainedOn.made_of(data(TEMPORAL, "c" * 64), second)
    fourth = TrainedOn.made_of(data(TEMPORAL, "d" * 64), third)
    assert second.before == third.before == fourth.before == (first,)
    fifth = TrainedOn.made_of(data(other, "e" * 64), fourth)
    assert fifth.before == (fourth.model_copy(update={"before": ()}),)
    assert TrainedOn.of("a model", fifth.as_details()) == fifth
    assert fifth.why_not_judged_on(data(other)) == BEGAN + SETTINGS
    assert fifth.why_not_judged_on(data(TEMPORAL)) == SETTINGS


def test_it_goes_through_a_manifest() -> None:
    before = TrainedOn.made_of(data(SplitConfig(kind=SplitKind.NEW_ITEMS, seed=7)))
    details: dict[str, JsonValue] = {"recipe": "learn", **before.as_details()}
    assert TrainedOn.of("a model", details) == before
    assert details[TRAINED_ON] == {
        "dataset": TODAY,
        "split": {"kind": "new-items", "share": 0.1, "few_shot": "none", "seed": 7},
        "made": {"filters": {"min_rating": 0.0}, "catalogue": "all"},
        "before": [],
    }


@pytest.mark.parametrize(
    "details", [{}, {TRAINED_ON: "d"}, {TRAINED_ON: {"dataset": "d", "split": {}}}]
)
def test_an_artifact_that_does_not_say_is_refused(details: dict[str, JsonValue]) -> None:
    with pytest.raises(
        InputError,
        match=r"old/release: trained_on: expected the Dataset .*, found none; an older version",
    ):
        TrainedOn.of("old/release", details)


def test_a_model_says_it_and_so_does_its_release(shop_run: Run) -> None:
    expected = TrainedOn.made_of(Dataset.open(shop_run.dataset))
    release = shop_run.release_root / "releases" / shop_run.release_id
    for folder in (shop_run.model, release):
        assert TrainedOn.of(folder, read_manifest(folder).details) == expected


def test_filters_and_catalogue_are_those_of_the_run(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    made = TrainedOn.made_of(data).made
    assert made.keys() == {"filters", "catalogue"}
    assert made["catalogue"] == "all"
    assert made["filters"] == data.manifest.details["filters"]
