"""What `train` said of a model goes along with its Metrics, or is missed by name."""

import pytest

from tests.conftest import Run
from towerflow.errors import InputError
from towerflow.evaluation.training_record import TrainingRecord
from towerflow.storage.artifact import read_manifest


def test_it_goes_from_the_model_to_its_metrics(shop_run: Run) -> None:
    model, metrics = read_manifest(shop_run.model), read_manifest(shop_run.metrics)
    record = TrainingRecord.of_metrics(shop_run.metrics, metrics)
    assert record == TrainingRecord.of_model(shop_run.model, model)
    assert (record.recipe, record.seed, record.title) == ("own", -1, "own")
    assert record.model_copy(update={"seed": 3}).title == "own, seed 3"
    assert record.epochs == len(record.curves["learn"]) == 60
    assert record.parameters == model.counts["parameters"]
    assert record.settings == model.details["settings"]
    assert record.seconds > 0


def test_a_model_that_train_did_not_make_is_refused(shop_run: Run) -> None:
    manifest = read_manifest(shop_run.model)
    untold = manifest.model_copy(update={"details": {}, "counts": {}})
    with pytest.raises(InputError, match=r"manifest\.json: recipe: expected what this version's"):
        TrainingRecord.of_model(shop_run.model, untold)
    timeless = manifest.model_copy(
        update={"details": {k: v for k, v in manifest.details.items() if k != "took"}}
    )
    with pytest.raises(InputError, match=r"manifest\.json: seconds: expected what this version's"):
        TrainingRecord.of_model(shop_run.model, timeless)


def test_metrics_of_no_training_are_refused(shop_run: Run) -> None:
    untold = read_manifest(shop_run.metrics).model_copy(update={"details": {}})
    with pytest.raises(InputError, match=r"manifest\.json: recipe: expected what this version's"):
        TrainingRecord.of_metrics(shop_run.metrics, untold)
