"""`compare`: real Metrics of the shop beside each other; what can't be compared is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import SMALL_RECIPE, Run
from towerflow import schema
from towerflow.errors import InputError
from towerflow.evaluation.comparison import Comparison
from towerflow.evaluation.metrics_file import METRICS_FILE, PER_USER_FILE, EvaluationMetrics
from towerflow.schema import ArtifactKind
from towerflow.steps.compare import compare
from towerflow.steps.evaluate import evaluate
from towerflow.steps.train import train
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest

ONE_EPOCH = SMALL_RECIPE.replace("epochs: 60", "epochs: 1")
TRIALS = [("popularity", 0), (ONE_EPOCH, 0), (ONE_EPOCH, 1)]


@pytest.fixture(scope="module")
def measured(shop_run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Metrics of each of TRIALS."""
    root = tmp_path_factory.mktemp("trials")
    found = []
    for number, (recipe, seed) in enumerate(TRIALS):
        model, metrics = root / f"model-{number}", root / f"metrics-{number}"
        on = (shop_run.dataset, shop_run.item_embeddings)
        train(*on, recipe, seed, "", "", model)
        evaluate(*on, model, metrics, root / f"report-{number}")
        found.append(metrics)
    return found


def run(metrics: list[Path], recipes: list[str], folder: Path) -> Comparison:
    """The step, and what it wrote."""
    shown = compare(metrics, recipes, folder / "comparison", folder / "report")
    open_artifact(folder / "comparison", ArtifactKind.COMPARISON)
    compared = Comparison.read(folder / "comparison")
    assert shown == {
        f"{one.recipe} ndcg@10": one.metrics["ndcg@10"].mean for one in compared.recipes
    }
    return compared


def test_numbers_are_those_of_the_metrics(measured: list[Path], tmp_path: Path) -> None:
    compared = run(measured[::-1], [ONE_EPOCH, "popularity"], tmp_path)
    assert compared.reference == "own"
    by_name = {one.recipe: one for one in compared.recipes}
    assert {name: one.seeds for name, one in by_name.items()} == {"own": [0, 1], "popularity": [0]}
    popularity, *own = (EvaluationMetrics.read(folder) for folder in measured)
    assert by_name["popularity"].metrics["recall@20"].mean == popularity.model["recall@20"]
    assert by_name["own"].metrics["ndcg@10"].mean == pytest.approx(
        np.mean([one.primary for one in own])
    )
    assert by_name["own"].epochs == 1
    assert by_name["popularity"].difference is not None
    assert compared.dataset == popularity.dataset
    assert compared.baselines == popularity.baselines
    manifest = read_manifest(tmp_path / "comparison")
    assert manifest.counts == {"recipes": 2, "trials": 3}
    hashes = [read_manifest(folder).content_hash for folder in measured[::-1]]
    assert list(manifest.inputs.values()) == hashes
    assert "<h2>Leaderboard</h2>" in (tmp_path / "report").read_text("utf-8")


def test_a_recipe_alone_is_no_mistake(measured: list[Path], tmp_path: Path) -> None:
    compared = run(measured[:1], ["popularity"], tmp_path)
    assert [one.recipe for one in compared.recipes] == ["popularity"]


def test_recipes_without_a_name_are_counted(
    shop_run: Run, measured: list[Path], tmp_path: Path
) -> None:
    other = ONE_EPOCH.replace("learning_rate: 0.005", "learning_rate: 0.001")
    on = (shop_run.dataset, shop_run.item_embeddings)
    train(*on, other, 0, "", "", tmp_path / "model")
    evaluate(*on, tmp_path / "model", tmp_path / "metrics", tmp_path / "report")
    compared = run([measured[1], tmp_path / "metrics"], [other, ONE_EPOCH], tmp_path)
    assert compared.reference == "own 1"
    assert {one.recipe for one in compared.recipes} == {"own 1", "own 2"}


def test_it_says_the_same_twice(measured: list[Path], tmp_path: Path) -> None:
    hashes = []
    for name in ("a", "b"):
        run(measured, ["popularity", ONE_EPOCH], tmp_path / name)
        hashes.append(read_manifest(tmp_path / name / "comparison").content_hash)
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("take", "recipes", "sentence"),
    [
        ([], ["popularity"], "metrics: expected at least one, found none"),
        ([0], [], "recipes: expected at least one"),
        ([0], ["popularity", "ease"], "metrics: expected those of ease too, found none"),
        ([0, 1], ["popularity"], "metrics-1: expected metrics of popularity, found those of a"),
        ([0, 1, 1], ["popularity", ONE_EPOCH], "each model of own once, found one of them twice"),
    ],
)
def test_metrics_and_recipes_have_to_fit(
    measured: list[Path], tmp_path: Path, take: list[int], recipes: list[str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        run([measured[number] for number in take], recipes, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_recipes_have_to_have_the_same_seeds(
    shop_run: Run, measured: list[Path], tmp_path: Path
) -> None:
    other = ONE_EPOCH.replace("learning_rate: 0.005", "learning_rate: 0.001")
    on = (shop_run.dataset, shop_run.item_embeddings)
    train(*on, other, 1, "", "", tmp_path / "model")
    evaluate(*on, tmp_path / "model", tmp_path / "metrics", tmp_path / "report")
    expected = r"own 2: expected the seeds of own 1, \[0\], found \[1\]"
    with pytest.raises(InputError, match=expected):
        run([measured[1], tmp_path / "metrics"], [ONE_EPOCH, other], tmp_path)
    assert not (tmp_path / "comparison").exists()


def changed(metrics: Path, path: Path, change: Callable[[Path], None], **inputs: str) -> Path:
    """A copy of `metrics` with other files, of other inputs."""
    manifest = read_manifest(metrics)
    with new_artifact(path, ArtifactKind.METRICS, "test") as draft:
        for name in manifest.files:
            shutil.copyfile(metrics / name, draft.folder / name)
        change(draft.folder)
        draft.details, draft.inputs = manifest.details, {**manifest.inputs, **inputs}
    return path


def of(**update: object) -> Callable[[Path], None]:
    """Change values of `metrics.json`."""

    def change(folder: Path) -> None:
        found = json.loads((folder / METRICS_FILE).read_text("utf-8"))
        (folder / METRICS_FILE).write_text(json.dumps({**found, **update}), "utf-8")

    return change


def drop_a_user(folder: Path) -> None:
    """Leave out the first row."""
    table = pq.read_table(folder / PER_USER_FILE)
    pq.write_table(table.slice(1), folder / PER_USER_FILE)


def drop_a_metric(folder: Path) -> None:
    """Leave out the primary metric."""
    table = pq.read_table(folder / PER_USER_FILE)
    pq.write_table(table.drop_columns(["ndcg@10"]), folder / PER_USER_FILE)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (of(dataset="other"), r"metrics\.json: dataset: expected '\w+', as in .*, found 'other'"),
        (of(protocol="sampled"), r"metrics\.json: protocol: expected 'full .*found 'sampled'"),
        (of(slices={}), r"metrics\.json: slices: expected 'history: .*found ''"),
        (drop_a_user, r"per_user\.parquet: user_index: expected the 40 users of .*found 39"),
        (drop_a_metric, r"per_user\.parquet: expected user_index and ndcg@10 of each user"),
    ],
)
def test_what_was_not_measured_alike_is_refused(
    measured: list[Path], tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    other = changed(measured[1], tmp_path / "other", change)
    with pytest.raises(InputError, match=sentence):
        run([measured[0], other], ["popularity", ONE_EPOCH], tmp_path)
    assert not (tmp_path / "comparison").exists()


def test_models_of_other_embeddings_are_refused(measured: list[Path], tmp_path: Path) -> None:
    other = changed(measured[1], tmp_path / "other", lambda _: None, item_embeddings="others")
    with pytest.raises(InputError, match=r"item_embeddings: expected .* found 'others'"):
        run([measured[0], other], ["popularity", ONE_EPOCH], tmp_path)


def test_metrics_of_a_refreshed_release_are_refused(measured: list[Path], tmp_path: Path) -> None:
    """`champion` hands them on without what `train` said."""
    with new_artifact(tmp_path / "other", ArtifactKind.METRICS, "champion") as draft:
        shutil.copyfile(measured[0] / METRICS_FILE, draft.folder / METRICS_FILE)
        shutil.copyfile(measured[0] / PER_USER_FILE, draft.folder / PER_USER_FILE)
    expected = rf"{schema.MANIFEST_FILE}: recipe: expected what this version's train says"
    with pytest.raises(InputError, match=expected):
        run([tmp_path / "other"], ["popularity"], tmp_path)
