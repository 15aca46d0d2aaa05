"""Many publish at once and many read meanwhile: one order of releases, each of them whole."""

from collections import Counter
from pathlib import Path

import pytest
from google.cloud import storage

from tests.storage.conftest import use_gcs
from tests.storage.publishers import Outcome, publish_at_once, reading
from tests.unit.retrieval.tiny_releases import add_tiny, pointer_of, publish_tiny
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import local_artifact

PROCESSES = 8
EACH = 25
PUBLISHES = 100


@pytest.fixture(params=["local", "gs"])
def release_root(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A root where nothing is yet."""
    if request.param == "local":
        return str(tmp_path / "root")
    use_gcs(monkeypatch, request.getfixturevalue("gcs_server"))
    bucket = f"race-{tmp_path.name.replace('_', '-').lower()}"
    storage.Client(project="test").create_bucket(bucket)
    return f"gs://{bucket}/root"


def test_of_all_who_publish_at_once_each_is_current_once_or_told_that_it_was_overtaken(
    release_root: str, tmp_path: Path
) -> None:
    outcomes = publish_at_once(release_root, tmp_path / "scratch", PROCESSES, EACH)
    assert len({one.release_id for one in outcomes}) == len(outcomes) == PROCESSES * EACH
    winners = sorted((one for one in outcomes if one.number), key=lambda one: one.number)
    losers = [one for one in outcomes if not one.number]
    assert winners
    assert losers, "nobody was in anybody's way, so that nothing was tried"
    require_one_order(ReleaseRoot(release_root), winners)
    require_whole(ReleaseRoot(release_root), outcomes)


def require_one_order(root: ReleaseRoot, winners: list[Outcome]) -> None:
    """Moves 1 to n, none missing and none twice, each from the one before; the last is current."""
    assert [one.number for one in winners] == list(range(1, len(winners) + 1))
    ids = [one.release_id for one in winners]
    assert [one.previous for one in winners] == [None, *ids[:-1]]
    assert all(one.seen == one.previous for one in winners)
    pointer = pointer_of(root)
    assert [(move.number, move.release_id) for move in pointer.history] == [*enumerate(ids, 1)]
    assert (pointer.revision, pointer.release_id) == (len(ids), ids[-1])
    assert root.current() == ids[-1]


def require_whole(root: ReleaseRoot, outcomes: list[Outcome]) -> None:
    """Those that were overtaken too: manifest and files by their hash."""
    assert root.release_ids() == sorted(one.release_id for one in outcomes)
    for one in outcomes:
        with local_artifact(root.folder(one.release_id), ArtifactKind.RELEASE) as folder:
            assert (folder / "a.bin").is_file()


def test_of_all_who_publish_the_same_at_once_one_moves_the_pointer(
    release_root: str, tmp_path: Path
) -> None:
    """As tries of one task do: all have published it, and there is nothing before it."""
    outcomes = publish_at_once(release_root, tmp_path / "scratch", 4, 1, is_same=True)
    assert {(one.number, one.previous) for one in outcomes} == {(1, None)}
    assert len(pointer_of(ReleaseRoot(release_root)).history) == 1
    require_whole(ReleaseRoot(release_root), outcomes[:1])


def test_readers_never_see_a_missing_or_a_mixed_file(release_root: str, tmp_path: Path) -> None:
    root = ReleaseRoot(release_root)
    publish_tiny(root, tmp_path, "n0")
    with reading(release_root, 2) as readers:
        publish_one_after_the_other(root, tmp_path)
    for reader in readers:
        assert reader.faults == []
        assert reader.passed_over == 0
        assert reader.numbers == sorted(reader.numbers), "nobody goes back"
        assert len(set(reader.numbers)) > 5, "nothing was published while it was read"
        assert reader.numbers[-1] == 1 + PUBLISHES


def test_readers_of_what_is_pruned_find_that_another_is_current(
    release_root: str, tmp_path: Path
) -> None:
    root = ReleaseRoot(release_root)
    publish_tiny(root, tmp_path, "n0")
    with reading(release_root, 2) as readers:
        gone = publish_one_after_the_other(root, tmp_path, prune_each=2)
    assert gone == 1 + PUBLISHES - 1
    for reader in readers:
        assert reader.faults == []
        assert reader.numbers[-1] == 1 + PUBLISHES
    assert root.release_ids() == [pointer_of(root).release_id]


def publish_one_after_the_other(root: ReleaseRoot, scratch: Path, prune_each: int = 0) -> int:
    """PUBLISHES releases; keeps only the current one at each so many. How many are gone."""
    gone = Counter[str]()
    for number in range(1, PUBLISHES + 1):
        root.point_to(add_tiny(root, scratch, f"n{number}"), How.PUBLISH)
        if prune_each and number % prune_each == 0:
            gone.update(root.prune(1, with_overtaken=False))
    assert set(gone.values()) <= {1}
    return len(gone)
