"""`compare_models` end to end: two recipes, two seeds, one report, and mistakes told early."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import SHOP, SMALL_RECIPE
from tests.pipelines.test_retrain import towerflow
from towerflow.evaluation.comparison import Comparison


def compare(folder: Path, encoder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Compare a small LEARN and popularity over the shop, with two seeds."""
    (folder / "small.yaml").write_text(SMALL_RECIPE.replace("epochs: 60", "epochs: 3"), "utf-8")
    options = ["--items", str(SHOP / "items.jsonl")]
    options += ["--interactions", str(SHOP / "interactions.csv"), "--model", str(encoder)]
    options += ["--recipes", "popularity", "--recipes", "small.yaml", "--seeds", "2"]
    return towerflow(folder, "compare", *options, *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this module happen, one after the other."""
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def first(folder: Path, tiny_encoder: Path) -> subprocess.CompletedProcess[str]:
    """The first run."""
    return compare(folder, tiny_encoder)


def test_each_recipe_is_trained_with_each_seed_that_matters(
    first: subprocess.CompletedProcess[str],
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert "running compare_models on shop, 3 trials" in first.stdout
    for step, times in (("preprocess", 1), ("train", 3), ("evaluate", 3), ("compare", 1)):
        assert first.stdout.count(f"{step}: success in") == times
    for trial in ("popularity, seed 0", "own, seed 0", "own, seed 1"):
        assert f"{trial}: ndcg@10 0." in first.stdout


def test_it_ends_with_a_leaderboard_and_a_report(
    first: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert "50 items, 40 users, 279 interactions, 3 rows rejected" in first.stdout
    for name in ("popularity", "own", "content_mean", "over popularity", "±"):
        assert name in first.stdout
    report = folder / "towerflow-out/shop-compare/report.html"
    assert f"report   {report}" in first.stdout
    assert "<h2>Leaderboard</h2>" in report.read_text("utf-8")


def test_what_is_written_tells_recipes_and_seeds_apart(
    first: subprocess.CompletedProcess[str], folder: Path
) -> None:
    work = folder / "towerflow-out/shop-compare/kfp/artifacts"
    [comparison] = {path.parent for path in work.rglob("comparison.json")}
    found = Comparison.read(comparison)
    assert found.reference == "popularity"
    seeds = {one.recipe: one.seeds for one in found.recipes}
    assert seeds == {"popularity": [0], "own": [0, 1]}
    [own] = [one for one in found.recipes if one.recipe == "own"]
    assert own.epochs == 3
    assert own.seconds > 0


def test_another_recipe_leaves_what_was_trained_in_the_cache(
    first: subprocess.CompletedProcess[str], folder: Path, tiny_encoder: Path
) -> None:
    more = compare(folder, tiny_encoder, "--recipes", "content-mean")
    assert more.returncode == 0, more.stdout + more.stderr
    assert more.stdout.count("train: unchanged, from the cache") == 3
    assert more.stdout.count("train: success in") == 1
    assert "content-mean" in more.stdout


@pytest.mark.parametrize(
    ("recipes", "sentence"),
    [
        (["popularity", "lern"], "or popularity or sasrec-id"),
        (["popularity", "popularity"], "recipes: expected each recipe once, found 'popularity'"),
        (["no.yaml"], "no.yaml: expected a recipe file, found nothing there"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(
    tmp_path: Path, recipes: list[str], sentence: str
) -> None:
    options = [part for recipe in recipes for part in ("--recipes", recipe)]
    done = towerflow(tmp_path, "compare", *options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
