"""A release root: whole releases under names of their content, one of them current."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.retrieval import tiny_releases
from tests.unit.retrieval.tiny_releases import folders, pointer_of, publish_tiny, tiny_release
from towerflow.errors import InputError
from towerflow.retrieval import releases
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import Overtaken, ReleaseRoot, release_id_of
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest
from towerflow.storage.filesystems import delete_files


@pytest.fixture
def root(tmp_path: Path) -> ReleaseRoot:
    """Where nothing is yet."""
    return ReleaseRoot(tmp_path / "root")


def add(root: ReleaseRoot, tmp_path: Path, name: str) -> str:
    return tiny_releases.add_tiny(root, tmp_path / "scratch", name)


def publish(root: ReleaseRoot, tmp_path: Path, *names: str) -> list[str]:
    return publish_tiny(root, tmp_path / "scratch", *names)


def test_before_the_first_publish_nothing_is_there(root: ReleaseRoot) -> None:
    assert (root.pointer(), root.current(), root.release_ids()) == (None, None, [])
    with pytest.raises(InputError, match=r"a release root, found nothing published there"):
        root.prune(1, with_overtaken=True)
    assert not Path(root.root).exists()


def test_a_release_is_named_by_the_hash_of_all_its_files(root: ReleaseRoot, tmp_path: Path) -> None:
    release_id = add(root, tmp_path, "one")
    manifest = open_artifact(Path(root.folder(release_id)), ArtifactKind.RELEASE)
    assert release_id == f"r-{manifest.content_hash[:16]}" == release_id_of(manifest)
    assert manifest == read_manifest(tmp_path / "scratch" / "one")
    assert (root.release_ids(), root.current()) == ([release_id], None)
    assert root.manifest(release_id) == manifest


def test_what_is_added_again_is_left_as_it_is(root: ReleaseRoot, tmp_path: Path) -> None:
    release_id = add(root, tmp_path, "one")
    before = {path: path.stat().st_ino for path in Path(root.root).rglob("*")}
    assert add(root, tmp_path, "one") == release_id
    assert {path: path.stat().st_ino for path in Path(root.root).rglob("*")} == before


def test_a_release_that_lacks_a_file_is_completed_by_adding_it_again(
    root: ReleaseRoot, tmp_path: Path
) -> None:
    release_id = add(root, tmp_path, "one")
    (Path(root.folder(release_id)) / "b.bin").unlink()
    assert add(root, tmp_path, "one") == release_id
    open_artifact(Path(root.folder(release_id)), ArtifactKind.RELEASE)


def test_only_a_whole_release_is_added(root: ReleaseRoot, tmp_path: Path) -> None:
    tiny_release(tmp_path / "damaged", "one")
    (tmp_path / "damaged" / "a.bin").write_text("a.bin of 0ne")
    with pytest.raises(InputError, match=r"a\.bin: expected sha256 .*, found other content"):
        root.add(tmp_path / "damaged")
    with new_artifact(tmp_path / "index", ArtifactKind.INDEX, "test"):
        pass
    with pytest.raises(InputError, match="expected an artifact of kind release, found index"):
        root.add(tmp_path / "index")
    assert not Path(root.root).exists()


def test_progress_is_told_in_bytes(root: ReleaseRoot, tmp_path: Path) -> None:
    tiny_release(tmp_path / "one", "one")
    told: list[tuple[int, int]] = []
    root.add(tmp_path / "one", lambda done, total: told.append((done, total)))
    total = 2 * len("a.bin of one") + len("model/config.json of one")
    assert told[-1] == (total, total)


def test_the_pointer_tells_what_is_current_and_what_was(root: ReleaseRoot, tmp_path: Path) -> None:
    first, second = publish(root, tmp_path, "one", "two")
    pointer = pointer_of(root)
    assert root.current() == pointer.release_id == second
    assert pointer.previous == first
    assert [move.how for move in pointer.history] == [How.PUBLISH, How.PUBLISH]
    now = datetime.fromisoformat(pointer.published_at)
    assert now.utcoffset() == timedelta(0)
    assert folders(root) == sorted([first, second])
    visible = {path.name for path in Path(root.root).iterdir() if path.name[0] != "."}
    assert visible == {"current.json", "releases"}


def test_a_root_may_be_written_with_a_slash_at_its_end(root: ReleaseRoot, tmp_path: Path) -> None:
    (release_id,) = publish(root, tmp_path, "one")
    again = ReleaseRoot(f"{root}/")
    assert (again.current(), again.release_ids(), str(again)) == (
        release_id,
        [release_id],
        str(root),
    )


def test_making_current_what_is_current_changes_nothing(root: ReleaseRoot, tmp_path: Path) -> None:
    """Else the one before would be the current one itself, and nothing to go back to."""
    first, second = publish(root, tmp_path, "one", "two")
    before = pointer_of(root)
    for instead_of in (None, {second}, {first, second}, {first}):
        assert root.point_to(second, How.PUBLISH, instead_of) == before
    assert pointer_of(root) == before


def test_only_what_was_seen_is_replaced(root: ReleaseRoot, tmp_path: Path) -> None:
    first, second = publish(root, tmp_path, "one", "two")
    late = add(root, tmp_path, "late")
    before = pointer_of(root)
    sentence = (
        f"{root}: expected nothing or {first} live, found {second}, published meanwhile; "
        f"{late} is complete beside it."
    )
    with pytest.raises(Overtaken) as caught:
        root.point_to(late, How.PUBLISH, {first, None})
    assert str(caught.value) == sentence
    assert pointer_of(root) == before
    open_artifact(Path(root.folder(late)), ArtifactKind.RELEASE)
    assert root.point_to(late, How.PUBLISH, {second}).previous == second


def test_the_first_release_may_be_overtaken_too(root: ReleaseRoot, tmp_path: Path) -> None:
    late = add(root, tmp_path, "late")
    (first,) = publish(root, tmp_path, "one")
    with pytest.raises(Overtaken, match=f"expected nothing live, found {first}, published meanwh"):
        root.point_to(late, How.PUBLISH, {None})
    with pytest.raises(Overtaken, match="expected r-1 live, found nothing, published meanwhile"):
        ReleaseRoot(tmp_path / "empty").point_to(late, How.PUBLISH, {"r-1"})


def test_somebody_who_is_quicker_is_seen_before_the_pointer_is_written(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the pointer and the write of it, another release becomes current."""
    (first,) = publish(root, tmp_path, "one")
    quick, slow = (add(root, tmp_path, name) for name in ("quick", "slow"))
    write = releases.write_pointer

    def overtake(*arguments: object) -> None:
        monkeypatch.setattr(releases, "write_pointer", write)
        ReleaseRoot(root.root).point_to(quick, How.PUBLISH, {first})
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(releases, "write_pointer", overtake)
    with pytest.raises(Overtaken, match=f"found {quick}, published meanwhile"):
        root.point_to(slow, How.PUBLISH, {first})
    assert root.current() == quick
    monkeypatch.setattr(releases, "write_pointer", overtake)
    pointer = root.point_to(slow, How.ROLLBACK)  # whatever is live
    assert [move.release_id for move in pointer.history] == [first, quick, slow]


def test_an_unknown_release_is_told_with_those_that_are_there(
    root: ReleaseRoot, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"release 'r-0': expected one of .*/root, found none"):
        root.manifest("r-0")
    ids = sorted(publish(root, tmp_path, "one", "two"))
    for unknown in ("r-0", "..", "", f"../releases/{ids[0]}", "x" * 5000, "a\0b"):
        for ask in (root.manifest, lambda name: root.point_to(name, How.ROLLBACK)):
            with pytest.raises(InputError) as caught:
                ask(unknown)
            assert f"found {ids[0]}, {ids[1]}" in str(caught.value)


@pytest.mark.parametrize("file", ["b.bin", "model/config.json"])
def test_a_release_that_lost_a_file_can_not_become_current(
    root: ReleaseRoot, tmp_path: Path, file: str
) -> None:
    first, _ = publish(root, tmp_path, "one", "two")
    lost = Path(root.folder(first)) / file
    for spoil in (lambda: lost.write_text("short"), lost.unlink):
        spoil()
        with pytest.raises(InputError, match=f"expected a whole release, found {file} missing or"):
            root.point_to(first, How.ROLLBACK)
    lost.write_text(f"{file} of one")
    assert root.point_to(first, How.ROLLBACK).release_id == first


def test_a_pointer_to_a_release_that_is_gone_is_told(root: ReleaseRoot, tmp_path: Path) -> None:
    (only,) = publish(root, tmp_path, "one")
    delete_files([f"{root.folder(only)}/manifest.json"])
    with pytest.raises(InputError, match=rf"releases/{only}: expected a whole release, found no m"):
        root.current()
    assert root.release_ids() == []
    other = add(root, tmp_path, "two")
    assert root.point_to(other, How.PUBLISH).previous == only


def test_a_damaged_pointer_is_never_overwritten(root: ReleaseRoot, tmp_path: Path) -> None:
    (only,) = publish(root, tmp_path, "one")
    path = Path(root.root) / "current.json"
    path.write_text(json.dumps({"release_id": only}), "utf-8")
    other = tmp_path / "scratch" / "two"
    tiny_release(other, "two")
    for ask in (
        root.current,
        lambda: root.add(other),
        lambda: root.point_to(only, How.ROLLBACK),
        lambda: root.prune(1, with_overtaken=True),
    ):
        with pytest.raises(InputError, match=r"current\.json: revision: expected a pointer"):
            ask()
    assert json.loads(path.read_text("utf-8")) == {"release_id": only}
