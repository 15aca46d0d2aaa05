"""`train` from an initial model: what that one may have learned of a test stays on record."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXPORT_INDEX, PREPROCESS, SHOP, SMALL_RECIPE, Run
from tests.manifests import change_details
from tests.unit.steps.test_gate import decide
from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.trained_on import TrainedOn
from towerflow.schema import ArtifactKind
from towerflow.steps.evaluate import evaluate
from towerflow.steps.export_index import export_index
from towerflow.steps.gate import read_decision
from towerflow.steps.preprocess import preprocess
from towerflow.steps.train import train
from towerflow.storage.artifact import new_artifact, read_manifest

ONE_EPOCH = SMALL_RECIPE.replace("epochs: 60", "epochs: 1")
SETTINGS = "it was trained with other settings of split or filters"


def model_of(run: Run, folder: Path, *, without: str = "", **changes: object) -> Path:
    """One trained on the shop, preprocessed with `changes` and without a user, in `folder`."""
    lines = (SHOP / "interactions.csv").read_text("utf-8").splitlines(keepends=True)
    folder.mkdir()
    kept = [line for line in lines if not without or not line.startswith(without)]
    (folder / "interactions.csv").write_text("".join(kept), "utf-8")
    files = {name: folder / name for name in ("dataset", "rejected", "counts")}
    sources = {"items": SHOP / "items.jsonl", "interactions": folder / "interactions.csv"}
    preprocess(**PREPROCESS | {name: str(path) for name, path in sources.items()} | files | changes)
    content = ItemEmbeddings.open(run.item_embeddings)
    with new_artifact(folder / "embeddings", ArtifactKind.ITEM_EMBEDDINGS, "test") as draft:
        write_embeddings(draft.folder, content.item_index, content.embeddings)
        draft.details = read_manifest(run.item_embeddings).details
        draft.inputs = {"dataset": read_manifest(folder / "dataset").content_hash}
    train(folder / "dataset", folder / "embeddings", ONE_EPOCH, -1, "", "", folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def drawn(shop_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on another split of the shop, which may have seen what the shop tests."""
    folder = tmp_path_factory.mktemp("drawn") / "shop"
    return model_of(shop_run, folder, split="random-leave-one-out")


def train_from(run: Run, initial: Path, model: Path) -> TrainedOn:
    """What a model says that is trained on the shop from `initial`."""
    train(run.dataset, run.item_embeddings, ONE_EPOCH, -1, str(initial), "", model)
    return said_by(model)


def said_by(folder: Path) -> TrainedOn:
    return TrainedOn.of(folder, read_manifest(folder).details)


def test_a_start_from_other_settings_of_the_split_is_on_record(
    shop_run: Run, drawn: Path, tmp_path: Path
) -> None:
    data = Dataset.open(shop_run.dataset)
    found = train_from(shop_run, drawn, tmp_path / "model")
    assert found.dataset == data.content_hash
    assert found.before == (said_by(drawn),)
    assert found.why_not_judged_on(data) == f"it began as a model of which that is so: {SETTINGS}"


def test_so_is_one_from_other_filters(shop_run: Run, tmp_path: Path) -> None:
    initial = model_of(shop_run, tmp_path / "other", max_history=5)
    found = train_from(shop_run, initial, tmp_path / "model")
    assert found.before == (said_by(initial),)
    assert found.why_not_judged_on(Dataset.open(shop_run.dataset)).endswith(SETTINGS)


def test_a_start_from_equal_settings_can_be_compared(shop_run: Run, tmp_path: Path) -> None:
    """As every night: of yesterday's data, or of the same."""
    data = Dataset.open(shop_run.dataset)
    yesterday = model_of(shop_run, tmp_path / "yesterday", without="user07")
    assert said_by(yesterday).dataset != data.content_hash
    release = shop_run.release_root / "releases" / shop_run.release_id
    for number, initial in enumerate((yesterday, shop_run.model, shop_run.index, release)):
        found = train_from(shop_run, initial, tmp_path / f"model-{number}")
        assert found == TrainedOn.made_of(data)
        assert found.why_not_judged_on(data) == ""


def test_it_stays_on_record_over_many_starts_and_in_an_index(
    shop_run: Run, drawn: Path, tmp_path: Path
) -> None:
    first = train_from(shop_run, drawn, tmp_path / "first")
    index = tmp_path / "index"
    export_index(
        shop_run.dataset,
        shop_run.item_embeddings,
        tmp_path / "first",
        index=index,
        summary=tmp_path / "index.md",
        **EXPORT_INDEX,
    )
    assert said_by(index) == first
    for number, initial in enumerate((tmp_path / "first", index)):
        again = train_from(shop_run, initial, tmp_path / f"again-{number}")
        assert again == first


def test_a_model_that_began_so_is_not_published(shop_run: Run, drawn: Path, tmp_path: Path) -> None:
    train_from(shop_run, drawn, tmp_path / "model")
    artifacts = (shop_run.dataset, shop_run.item_embeddings, tmp_path / "model")
    root = str(shop_run.release_root)
    evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report", release_root=root)
    metrics = EvaluationMetrics.read(tmp_path / "metrics")
    assert metrics.not_comparable == f"it began as a model of which that is so: {SETTINGS}"
    assert metrics.champion is not None
    assert metrics.champion.not_comparable == ""
    assert "The model may have been trained on what is tested" in report_of(tmp_path)
    decided = decide(tmp_path / "metrics", shop_run.release_root, tmp_path / "decision", margin=0.9)
    assert decided == "closed"
    reason = read_decision(tmp_path / "decision").reason
    assert "comparable: the model may have been trained on what is tested: it began" in reason


def report_of(folder: Path) -> str:
    return (folder / "report").read_text("utf-8")


def test_of_the_usual_model_nothing_is_in_doubt(shop_run: Run) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    assert (metrics.not_comparable, metrics.unmeasured) == ("", "")
    assert "may have been trained" not in shop_run.report.read_text("utf-8")


def test_an_initial_model_of_an_older_version_is_refused(shop_run: Run, tmp_path: Path) -> None:
    old = shutil.copytree(shop_run.model, tmp_path / "old")
    details: dict[str, Any] = read_manifest(old).details
    del details["trained_on"]["made"]
    change_details(old, details)
    with pytest.raises(InputError, match=r"trained_on: .* an older version made it"):
        train_from(shop_run, old, tmp_path / "model")
    assert not (tmp_path / "model").exists()
