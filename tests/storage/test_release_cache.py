"""A folder in which workers of one machine keep releases that they fetched."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from google.cloud import storage

from tests.conftest import Run
from tests.storage.conftest import use_gcs
from towerflow.retrieval.release import Release
from towerflow.steps.publish import publish


@pytest.fixture
def root(gcs_server: str, shop_run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the shop's release."""
    use_gcs(monkeypatch, gcs_server)
    bucket = storage.Client(project="test").create_bucket(f"bucket-{uuid4().hex[:12]}")
    publish(shop_run.index, shop_run.metrics, shop_run.decision, f"gs://{bucket.name}")
    return f"gs://{bucket.name}"


def test_many_may_want_the_same_at_once(root: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: Release.open(root, cache=tmp_path / "cache"), range(8)))
    answers = [release.recommend(["T31"], k=3) for release in opened]
    assert answers == [answers[0]] * 8
    visible = [path.name for path in (tmp_path / "cache").iterdir() if path.name[0] != "."]
    assert visible == [opened[0].release_id]


def test_what_was_damaged_there_is_fetched_again(root: str, tmp_path: Path) -> None:
    first = Release.open(root, cache=tmp_path)
    expected = first.recommend(["T31"], k=3)
    (first.folder / "index.faiss").unlink()  # not in place: it is mapped
    (first.folder / "index.faiss").write_bytes(b"damaged")
    assert Release.open(root, cache=tmp_path).recommend(["T31"], k=3) == expected


def test_one_that_is_open_survives_its_folder(root: str, tmp_path: Path) -> None:
    opened = Release.open(root, cache=tmp_path)
    expected = opened.recommend(user="user01", k=5), opened.similar("T31", k=5)
    for path in opened.folder.rglob("*"):
        if path.is_file():
            path.unlink()
    assert (opened.recommend(user="user01", k=5), opened.similar("T31", k=5)) == expected
