"""The compiled pipeline, run by kfp.local through the command line, down to recommendations."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.conftest import SHOP, SMALL_RECIPE


def towerflow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "towerflow.cli", *arguments],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def run(folder: Path, encoder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run retrain over the shop."""
    recipe = folder / "small.yaml"
    recipe.write_text(SMALL_RECIPE, "utf-8")
    options = ["--items", str(SHOP / "items.jsonl")]
    options += ["--interactions", str(SHOP / "interactions.csv")]
    options += ["--recipe", str(recipe), "--model", str(encoder), "--num-shards", "2"]
    return towerflow(folder, "run", *options, *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this module happen, one after the other."""
    return tmp_path_factory.mktemp("retrain")


@pytest.fixture(scope="module")
def first(folder: Path, tiny_encoder: Path) -> subprocess.CompletedProcess[str]:
    """The first run."""
    return run(folder, tiny_encoder)


def test_it_goes_from_raw_data_to_a_release(
    first: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert "50 items, 40 users, 279 interactions, 3 rows rejected" in first.stdout
    for name in ("small.yaml (this model)", "popularity", "content_mean"):
        assert name in first.stdout
    assert "Traceback" not in first.stdout + first.stderr
    pointer = json.loads((folder / "towerflow-out/releases/shop/current.json").read_text())
    assert (folder / "towerflow-out/releases/shop/releases" / pointer["release_id"]).is_dir()
    assert "<!doctype html>" in (folder / "towerflow-out/shop/report.html").read_text()


def test_it_says_what_it_does(first: subprocess.CompletedProcess[str]) -> None:
    for step in ("preprocess", "merge_embeddings", "train", "evaluate", "export_index", "publish"):
        assert f"{step}: success in" in first.stdout
    assert first.stdout.count("embed_items: success in") == 2
    assert "gate open: there is no champion yet" in first.stdout
    assert "rejected 1 rows: no text" in first.stdout


def test_a_second_run_looks_anew_only_at_what_is_live(
    first: subprocess.CompletedProcess[str], folder: Path, tiny_encoder: Path
) -> None:
    second = run(folder, tiny_encoder)
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("unchanged, from the cache") == 6
    assert "gate open: " in second.stdout
    assert "+0.0% (95 %: +0.0% to +0.0%)" in second.stdout
    assert "is the current release already" in second.stdout


def test_other_weights_in_the_same_folder_are_noticed(
    first: subprocess.CompletedProcess[str], folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, encoder)
    release_root = ["--release-root", str(tmp_path / "releases")]
    same = run(folder, encoder, *release_root)
    assert same.stdout.count("0 texts embedded, 25 from the store") == 2
    weights = load_file(encoder / "model.safetensors")
    save_file({name: -weight for name, weight in weights.items()}, encoder / "model.safetensors")
    changed = run(folder, encoder, *release_root)
    assert changed.returncode == 0, changed.stderr
    assert changed.stdout.count("25 texts embedded, 0 from the store") == 2


def test_recommendations_follow_what_was_liked(
    first: subprocess.CompletedProcess[str], folder: Path
) -> None:
    liked = ["--liked", "Wooden train set", "--liked", "t32", "--k", "3"]
    assert "none like it" in towerflow(folder, "recommend", *liked).stderr  # ids have a case
    liked[3] = "T32"
    done = towerflow(folder, "recommend", *liked)
    assert done.returncode == 0, done.stderr
    titles = {"Building blocks", "Plush bear", "Kite", "Marble run", "Card game for four"}
    assert any(title in done.stdout for title in titles), done.stdout


def test_a_known_user_is_not_offered_what_they_have(
    first: subprocess.CompletedProcess[str], folder: Path
) -> None:
    done = towerflow(folder, "recommend", "--user", "user05", "--k", "5")
    assert done.returncode == 0, done.stderr
    rows = [line.split("│")[2:4] for line in done.stdout.splitlines() if line.startswith("│")]
    history = {row[0].strip() for row in rows} - {""}
    offered = {row[1].strip().rsplit("  ", 1)[0] for row in rows} - {""}
    assert len(offered) == 5
    assert len(history) >= 5
    assert history.isdisjoint(offered)


def test_similar_items_leave_out_the_item_itself(
    first: subprocess.CompletedProcess[str], folder: Path
) -> None:
    done = towerflow(folder, "similar", "--item", "yoga mat", "--k", "4")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("similar to Yoga mat")
    assert len(lines) == 5
    assert "Yoga mat" not in "".join(lines[1:])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--recipe", "lern"], "or sasrec-id or sgcl or sgl, found 'lern'"),
        (["run", "--items", "a.csv"], "both or neither"),
        (["run", "--items", "a.csv", "--interactions", "b.csv"], "a.csv: expected a file"),
        (["recommend"], "either --liked or --user"),
        (["recommend", "--user", "nobody"], "user 'nobody'"),
        (["recommend", "--user", "user05", "--k", "51"], "1 to the 50 items, found 51"),
        (["similar", "--item", "Yoga mad"], "did you mean: Yoga mat"),
        (["recommend", "--liked", "B"], "expected one item"),
        (["recommend", "--user", "u", "--release-root", "nowhere"], "nothing published there"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(
    first: subprocess.CompletedProcess[str], folder: Path, arguments: list[str], sentence: str
) -> None:
    done = towerflow(folder, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_mistake_that_a_step_finds_is_told_the_same_way(
    folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    orphan = tmp_path / "log.csv"
    orphan.write_text("user_id,item_id,timestamp\nu,K01,1\nu,NOPE,2\nu,K02,3\n")
    done = run(folder, tiny_encoder, "--interactions", str(orphan))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {orphan}: item_id: expected only items that the items")
    assert "'NOPE'" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unknown_model_is_told_at_once(folder: Path) -> None:
    done = towerflow(folder, "run", "--items", str(SHOP / "items.jsonl"), "--interactions",
                     str(SHOP / "interactions.csv"), "--model", "no such model")  # fmt: skip
    assert done.returncode == 2
    assert "smollm2-135m, minilm, " in done.stderr
    assert "baichuan2-7b, a model folder, or a hub id" in done.stderr


def test_a_worse_model_is_not_published(
    first: subprocess.CompletedProcess[str], folder: Path, tiny_encoder: Path
) -> None:
    before = (folder / "towerflow-out/releases/shop/current.json").read_text()
    done = run(folder, tiny_encoder, "--recipe", "popularity")
    assert done.returncode == 0, done.stderr
    assert "gate closed" in done.stdout
    assert "not published: ndcg@10" in done.stdout
    assert (folder / "towerflow-out/releases/shop/current.json").read_text() == before


def test_it_is_published_if_that_is_forced_and_the_release_says_why(
    first: subprocess.CompletedProcess[str], folder: Path, tiny_encoder: Path
) -> None:
    """The last of this module: what is live is another model from here on."""
    done = run(folder, tiny_encoder, "--recipe", "popularity", "--force", "the other one offends")
    assert done.returncode == 0, done.stderr
    assert "gate open: forced: the other one offends; else closed by " in done.stdout
    root = folder / "towerflow-out/releases/shop"
    live = json.loads((root / "current.json").read_text())["release_id"]
    manifest = json.loads((root / "releases" / live / "manifest.json").read_text())
    assert manifest["details"]["decision"]["forced"] == "the other one offends"
    assert json.loads((root / "releases" / live / "model/config.json").read_text()) == {
        "kind": "popularity"
    }
