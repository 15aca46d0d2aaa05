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


def data(split: SplitConfig, content_hash: str = TODAY) -> Dataset:
    return dataset([(0, 0, TRAIN)], 1, split=split, content_hash=content_hash)


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
        assert before.why_not_judged_on(data(now)) == (
            "it was trained with other settings of the split"
        )


def test_it_goes_through_a_manifest() -> None:
    before = TrainedOn.made_of(data(SplitConfig(kind=SplitKind.NEW_ITEMS, seed=7)))
    details: dict[str, JsonValue] = {"recipe": "learn", **before.as_details()}
    assert TrainedOn.of("a model", details) == before
    assert details[TRAINED_ON] == {
        "dataset": TODAY,
        "split": {"kind": "new-items", "share": 0.1, "few_shot": "none", "seed": 7},
    }


@pytest.mark.parametrize("details", [{}, {TRAINED_ON: "d"}, {TRAINED_ON: {"dataset": "d"}}])
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
