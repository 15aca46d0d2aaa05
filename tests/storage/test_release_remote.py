"""Releases in a bucket: all that is done with a local release root, on gs:// and s3://."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import PREPROCESS, SHOP, SMALL_RECIPE, Run
from tests.storage.conftest import fresh_bucket
from tests.unit.steps.test_gate import decide
from towerflow.errors import InputError, StorageError
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.interactions.changes import Change
from towerflow.models.files import load_model
from towerflow.retrieval.release import SERVED_FILES, Release
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import MANIFEST_FILE
from towerflow.steps.champion import champion
from towerflow.steps.evaluate import evaluate
from towerflow.steps.gate import read_decision
from towerflow.steps.preprocess import preprocess
from towerflow.steps.publish import publish
from towerflow.steps.train import train
from towerflow.storage.artifact import read_manifest
from towerflow.storage.filesystems import (
    content_version,
    delete_files,
    match_files,
    read_versioned,
    write_bytes,
)


@pytest.fixture(params=["gs", "s3"])
def remote_root(
    request: pytest.FixtureRequest, shop_run: Run, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A root in a bucket, with the shop's release published to it."""
    root = f"{fresh_bucket(request.param, request, monkeypatch)}/shop"
    published = publish(shop_run.index, shop_run.metrics, shop_run.decision, root)
    assert published == shop_run.release_id
    return root


def release_of(root: str) -> str:
    """Folder of the current release."""
    releases = ReleaseRoot(root)
    return releases.folder(str(releases.current()))


def leave_alone(root: str, *kept: str) -> None:
    """Remove the files of the current release but those."""
    folder = release_of(root)
    names = read_manifest(folder).files
    delete_files([f"{folder}/{name}" for name in names if name not in kept])


def spoil(path: str) -> None:
    """Another byte in the middle."""
    content = bytearray(read_versioned(path).content)
    content[len(content) // 2] ^= 1
    write_bytes(path, bytes(content))


def test_what_is_published_there_is_what_is_published_here(remote_root: str, shop_run: Run) -> None:
    local = ReleaseRoot(shop_run.release_root)
    here, there = Path(local.folder(shop_run.release_id)), release_of(remote_root)
    manifest = read_manifest(there)
    assert manifest == read_manifest(here)
    names = {file.path.removeprefix(f"{there}/") for file in match_files(there)}
    assert names == {*manifest.files, MANIFEST_FILE}
    for name in names:
        assert read_versioned(f"{there}/{name}").content == (here / name).read_bytes()
    pointer = json.loads(read_versioned(f"{remote_root}/current.json").content)
    assert (pointer["release_id"], pointer["revision"]) == (shop_run.release_id, 1)


def test_publishing_again_what_is_live_changes_nothing(remote_root: str, shop_run: Run) -> None:
    before = content_version(remote_root)
    again = publish(shop_run.index, shop_run.metrics, shop_run.decision, remote_root)
    assert (again, content_version(remote_root)) == (shop_run.release_id, before)


def test_it_recommends_the_same_as_from_a_local_root(remote_root: str, shop_run: Run) -> None:
    local, remote = Release.open(shop_run.release_root), Release.open(remote_root)
    assert remote.release_id == local.release_id
    user, (liked, *_) = local.user_ids[3], local.history_of(local.user_ids[4])
    for ask in (
        lambda release: release.recommend(user=user, k=20),
        lambda release: release.recommend(history=[liked], k=20),
        lambda release: release.similar(liked, k=20),
        lambda release: release.history_of(user),
    ):
        assert ask(remote) == ask(local)


def test_a_release_itself_can_be_opened(remote_root: str, shop_run: Run) -> None:
    assert Release.open(release_of(remote_root)).release_id == shop_run.release_id


def test_only_what_is_served_is_fetched(remote_root: str, shop_run: Run, tmp_path: Path) -> None:
    leave_alone(remote_root, *SERVED_FILES)
    release = Release.open(remote_root, tmp_path / "cache")
    found = {path.relative_to(release.folder).as_posix() for path in release.folder.rglob("*.*")}
    assert found <= {*SERVED_FILES, MANIFEST_FILE}
    assert release.folder == tmp_path / "cache" / shop_run.release_id


def test_what_is_cached_is_not_fetched_again(remote_root: str, tmp_path: Path) -> None:
    """The pointer and the manifest are all that is left there."""
    first = Release.open(remote_root, tmp_path)
    leave_alone(remote_root)
    again = Release.open(remote_root, tmp_path)
    user = first.user_ids[0]
    assert again.recommend(user=user) == first.recommend(user=user)
    assert again.folder == first.folder
    with pytest.raises(InputError, match="expected a file that the manifest lists, found none"):
        Release.open(remote_root)


def test_a_damaged_copy_in_the_cache_is_fetched_anew(remote_root: str, tmp_path: Path) -> None:
    release = Release.open(remote_root, tmp_path)
    damaged = release.folder / "items.parquet"
    whole = damaged.read_bytes()
    for content in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        damaged.write_bytes(content)
        assert Release.open(remote_root, tmp_path).num_items == release.num_items
        assert damaged.read_bytes() == whole


def test_who_opens_it_at_once_shares_one_copy(remote_root: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Release.open(remote_root, tmp_path), range(4)))
    assert len({release.folder for release in opened}) == 1
    user = opened[0].user_ids[0]
    assert all(one.recommend(user=user) == opened[0].recommend(user=user) for one in opened)


@pytest.mark.parametrize("name", ["index.faiss", "items.parquet", MANIFEST_FILE])
def test_a_damaged_file_is_refused_by_name_and_nothing_is_cached(
    remote_root: str, tmp_path: Path, name: str
) -> None:
    spoil(f"{release_of(remote_root)}/{name}")
    for cache in (tmp_path / "cache", None):
        with pytest.raises((InputError, StorageError), match=name):
            Release.open(remote_root, cache)
    cached = [path for path in tmp_path.rglob("*") if path.suffix != ".lock"]
    assert cached in ([], [tmp_path / "cache"])


def test_where_nothing_is_published_that_is_said(remote_root: str, tmp_path: Path) -> None:
    nowhere = remote_root.removesuffix("shop") + "nowhere"
    for uri in (nowhere, str(tmp_path / "nowhere")):
        with pytest.raises(InputError, match=f"{uri}: expected a release root or a release"):
            Release.open(uri)


def test_the_next_run_is_judged_beside_the_release_and_replaces_it(
    remote_root: str, shop_run: Run, tmp_path: Path
) -> None:
    artifacts = (shop_run.dataset, shop_run.item_embeddings, shop_run.model)
    evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report", release_root=remote_root)
    measured = EvaluationMetrics.read(tmp_path / "metrics")
    assert measured.champion is not None
    assert measured.champion.release == shop_run.release_id
    assert measured.champion.metrics == measured.model
    assert (
        decide(tmp_path / "metrics", remote_root, tmp_path / "decision", force="a wish") == "open"
    )
    assert read_decision(tmp_path / "decision").champion_release == shop_run.release_id
    second = publish(shop_run.index, tmp_path / "metrics", tmp_path / "decision", remote_root)
    root = ReleaseRoot(remote_root)
    assert root.current() == second != shop_run.release_id
    assert root.release_ids() == sorted([shop_run.release_id, second])
    assert root.prune(1, with_overtaken=False) == [shop_run.release_id]
    assert Release.open(remote_root).release_id == second


def test_a_refresh_takes_the_model_out_of_the_release(
    remote_root: str, shop_run: Run, tmp_path: Path
) -> None:
    found = champion(remote_root, tmp_path / "model", tmp_path / "metrics", tmp_path / "decision")
    assert found.release == release_of(remote_root)
    model = read_manifest(tmp_path / "model")
    assert model.content_hash == read_manifest(shop_run.model).content_hash
    assert EvaluationMetrics.read(tmp_path / "metrics") == EvaluationMetrics.read(shop_run.metrics)


def test_items_are_compared_with_those_of_the_release(remote_root: str, tmp_path: Path) -> None:
    lines = (SHOP / "items.jsonl").read_text("utf-8").splitlines(keepends=True)
    new = '{"item_id": "T99", "title": "Wooden train station"}\n'
    (tmp_path / "items.jsonl").write_text("".join([*lines, new]), "utf-8")
    preprocess(
        **PREPROCESS
        | {
            "items": str(tmp_path / "items.jsonl"),
            "interactions": str(SHOP / "interactions.csv"),
            "previous_dataset": release_of(remote_root),
            "dataset": tmp_path / "dataset",
            "rejected": tmp_path / "rejected",
            "counts": tmp_path / "counts.json",
        }
    )
    counts = read_manifest(tmp_path / "dataset").counts
    assert {str(kind): counts[f"items_{kind}"] for kind in Change} == {
        "new": 1,
        "changed": 0,
        "gone": 0,
    }


def test_training_starts_from_the_model_of_the_release(
    remote_root: str, shop_run: Run, tmp_path: Path
) -> None:
    recipe = SMALL_RECIPE.replace("epochs: 60", "epochs: 1").replace("0.005", "1.0e-12")
    on = (shop_run.dataset, shop_run.item_embeddings, recipe, -1)
    train(*on, release_of(remote_root), "", tmp_path / "model")
    inputs = read_manifest(tmp_path / "model").inputs
    assert inputs["initial_model"] == read_manifest(release_of(remote_root)).content_hash
    before, after = load_model(shop_run.model).tensors(), load_model(tmp_path / "model").tensors()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert (after[name] - tensor).abs().max() < 1e-6, name
