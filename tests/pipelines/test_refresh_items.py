"""`refresh_items` end to end: an item that came after training is recommended, without training."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SHOP
from tests.pipelines.test_retrain import run, towerflow
from towerflow.errors import InputError
from towerflow.retrieval.release import Release

NEW = {
    "item_id": "T99",
    "title": "Wooden train station",
    "brand": "Klimbim",
    "categories": ["Toys"],
    "description": "Station for the wooden train set.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A shop whose index is live; then one item comes, one changes, and one goes."""
    folder = tmp_path_factory.mktemp("refresh")
    trained = run(folder, tiny_encoder, "--max-tokens", "32", "--precision", "float32")
    assert trained.returncode == 0, trained.stderr
    lines = [json.loads(line) for line in (SHOP / "items.jsonl").read_text("utf-8").splitlines()]
    changed = next(line for line in lines if line.get("title") == "Yoga mat")
    changed["title"] = "Yoga mat, extra thick"
    lines = [NEW, *(line for line in lines if line.get("title") != "Marble run")]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / "today.jsonl").write_text(text, "utf-8")
    return folder


def refresh(folder: Path, encoder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Refresh with the items of today."""
    options = ["--items", "today.jsonl", "--interactions", str(SHOP / "interactions.csv")]
    options += ["--release-root", "towerflow-out/releases/shop", "--model", str(encoder)]
    return towerflow(folder, "refresh", *options, "--max-rejected-share", "0.2", *more)


@pytest.fixture(scope="module")
def refreshed(folder: Path, tiny_encoder: Path) -> subprocess.CompletedProcess[str]:
    """The first refresh."""
    return refresh(folder, tiny_encoder)


def test_new_and_changed_texts_alone_are_embedded(
    refreshed: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr
    assert "2 texts embedded, 48 from the store" in refreshed.stdout
    assert "50 items are live" in refreshed.stdout
    assert "1 new, 1 changed, 1 gone" in refreshed.stdout
    assert "train" not in refreshed.stdout.replace("retrain", "")


def test_the_new_item_is_recommended_and_the_old_one_is_not(
    refreshed: subprocess.CompletedProcess[str], folder: Path
) -> None:
    release = Release.open(folder / "towerflow-out/releases/shop")
    with pytest.raises(InputError, match="item 'Marble run'"):
        release.names.find("Marble run")
    liked = release.names.ids[release.names.find("Wooden train set")]
    results = [item.title for item in release.recommend([liked], k=49)]
    assert NEW["title"] in results
    done = towerflow(folder, "similar", "--item", "T99", "--k", "3")
    assert done.returncode == 0, done.stderr


def test_the_model_is_that_of_the_release_before(
    refreshed: subprocess.CompletedProcess[str], folder: Path
) -> None:
    root = folder / "towerflow-out/releases/shop"
    pointer = json.loads((root / "current.json").read_text("utf-8"))
    weights = [
        (root / "releases" / pointer[name] / "model" / "model.safetensors").read_bytes()
        for name in ("previous", "release_id")
    ]
    assert weights[0] == weights[1]
    decision = root / "releases" / pointer["release_id"] / "decision.json"
    assert pointer["previous"] in json.loads(decision.read_text("utf-8"))["reason"]


def test_where_nothing_has_changed_nothing_is_read_or_published(
    refreshed: subprocess.CompletedProcess[str], folder: Path, tiny_encoder: Path
) -> None:
    again = refresh(folder, tiny_encoder)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 new, 0 changed, 0 gone" in again.stdout
    assert "is the current release already" in again.stdout


def test_without_a_release_the_user_is_told_to_retrain(folder: Path, tiny_encoder: Path) -> None:
    done = refresh(folder, tiny_encoder, "--release-root", "nowhere")
    assert done.returncode == 2
    assert "expected a live release to refresh" in done.stderr
    assert "run retrain first" in done.stderr
