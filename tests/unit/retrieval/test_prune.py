"""Deleting old releases: never the current one, and never while somebody makes it current."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.retrieval import tiny_releases
from tests.unit.retrieval.tiny_releases import folders, pointer_of, publish_tiny, tiny_release
from towerflow.errors import InputError
from towerflow.retrieval import releases
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import open_artifact
from towerflow.storage.filesystems import delete_files, delete_folder


@pytest.fixture
def root(tmp_path: Path) -> ReleaseRoot:
    """Where nothing is yet."""
    return ReleaseRoot(tmp_path / "root")


def add(root: ReleaseRoot, tmp_path: Path, name: str) -> str:
    return tiny_releases.add_tiny(root, tmp_path / "scratch", name)


def publish(root: ReleaseRoot, tmp_path: Path, *names: str) -> list[str]:
    return publish_tiny(root, tmp_path / "scratch", *names)


def retired(root: ReleaseRoot) -> tuple[str, ...]:
    pointer = pointer_of(root)
    assert bool(pointer.retired) == bool(pointer.pruner)
    return pointer.retired


@pytest.mark.parametrize("keep", [1, 2, 4, 5, 9])
def test_as_many_stay_as_are_kept(root: ReleaseRoot, tmp_path: Path, keep: int) -> None:
    ids = publish(root, tmp_path, *"abcde")
    assert root.prune(keep, with_overtaken=False) == sorted(ids[:-keep] if keep < 5 else [])
    assert folders(root) == root.release_ids() == sorted(ids[-keep:])
    assert (root.current(), retired(root)) == (ids[-1], ())
    assert root.prune(keep, with_overtaken=False) == []


def test_those_that_were_current_last_stay_not_those_that_came_last(
    root: ReleaseRoot, tmp_path: Path
) -> None:
    a, b, c, d = publish(root, tmp_path, *"abcd")
    root.point_to(a, How.ROLLBACK)  # a b c d a: newest first a d c b
    assert root.prune(2, with_overtaken=False) == sorted([b, c])
    assert root.release_ids() == sorted([a, d])
    assert root.current() == a


def test_what_was_overtaken_goes_only_if_that_is_said(root: ReleaseRoot, tmp_path: Path) -> None:
    ids = publish(root, tmp_path, *"abc")
    overtaken = add(root, tmp_path, "late")
    assert root.prune(1, with_overtaken=False) == sorted(ids[:2])
    assert root.release_ids() == sorted([ids[2], overtaken])
    assert root.prune(1, with_overtaken=True) == [overtaken]
    assert root.release_ids() == [ids[2]]


def test_a_release_that_is_still_being_copied_is_left_alone(
    root: ReleaseRoot, tmp_path: Path
) -> None:
    """It has no manifest yet."""
    publish(root, tmp_path, "a")
    coming = add(root, tmp_path, "late")
    delete_files([f"{root.folder(coming)}/manifest.json"])
    assert root.prune(1, with_overtaken=True) == []
    assert add(root, tmp_path, "late") == coming
    assert root.point_to(coming, How.PUBLISH).release_id == coming


def interrupt(root: ReleaseRoot, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Prune, and stop where a function of its module is called."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(releases, at, stop)
        with pytest.raises(KeyboardInterrupt):
            root.prune(1, with_overtaken=False)


@pytest.mark.parametrize("at", ["delete_files", "delete_folder"])
def test_an_interrupted_prune_is_finished_by_the_next_that_takes_over(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    a, b, c = publish(root, tmp_path, *"abc")
    interrupt(root, monkeypatch, at)
    assert retired(root) == tuple(sorted([a, b]))
    for gone in (a, b):  # whether it still has its manifest or not
        with pytest.raises(InputError):
            root.point_to(gone, How.ROLLBACK)
    assert root.current() == c
    with pytest.raises(InputError, match="no other prune at work, found one that deletes"):
        root.prune(9, with_overtaken=False)
    assert root.prune(9, with_overtaken=False, take_over=True) == sorted([a, b])
    assert (folders(root), retired(root)) == ([c], ())
    assert root.prune(9, with_overtaken=False) == []


def test_what_is_being_deleted_is_not_published_until_it_is_gone(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = publish(root, tmp_path, *"ab")
    interrupt(root, monkeypatch, "delete_files")
    for ask in (lambda: root.point_to(a, How.PUBLISH), lambda: root.add(tmp_path / "scratch/a")):
        with pytest.raises(InputError, match=rf"/{a}: expected a whole release, found one that"):
            ask()
    assert root.current() == b
    root.prune(1, with_overtaken=False, take_over=True)
    assert add(root, tmp_path, "a") == a
    assert root.point_to(a, How.PUBLISH).previous == b


def test_a_publish_whose_release_is_pruned_meanwhile_is_refused(
    root: ReleaseRoot, tmp_path: Path
) -> None:
    """It is complete, then overtaken by a prune, and must not become current."""
    (a,) = publish(root, tmp_path, "a")
    late = add(root, tmp_path, "late")
    assert root.prune(1, with_overtaken=True) == [late]
    with pytest.raises(InputError, match=f"release '{late}': expected one of .*, found {a}"):
        root.point_to(late, How.PUBLISH, {a})
    assert root.current() == a


def test_a_prune_that_begins_while_the_pointer_is_moved_is_seen(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the release was found whole, before the pointer is written: it isn't written."""
    (a,) = publish(root, tmp_path, "a")
    late = add(root, tmp_path, "late")
    write = releases.write_pointer

    def prune_first(*arguments: Any) -> None:
        monkeypatch.setattr(releases, "write_pointer", write)
        assert ReleaseRoot(root.root).prune(1, with_overtaken=True) == [late]
        write(*arguments)

    monkeypatch.setattr(releases, "write_pointer", prune_first)
    with pytest.raises(InputError, match=f"release '{late}'"):
        root.point_to(late, How.PUBLISH, {a})
    assert root.current() == a


def test_a_publish_that_wins_against_a_prune_keeps_its_release(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prune has chosen what to delete; before it says so, one of them becomes current."""
    a, b, c = publish(root, tmp_path, *"abc")
    write = releases.write_pointer

    def roll_back_first(*arguments: Any) -> None:
        monkeypatch.setattr(releases, "write_pointer", write)
        ReleaseRoot(root.root).point_to(a, How.ROLLBACK, {c})
        write(*arguments)

    monkeypatch.setattr(releases, "write_pointer", roll_back_first)
    assert root.prune(2, with_overtaken=False) == [b]
    assert root.current() == a
    open_artifact(Path(root.folder(a)), ArtifactKind.RELEASE)
    assert root.release_ids() == sorted([a, c])


def test_a_manifest_that_comes_after_its_files_were_deleted_points_nowhere(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two add the same; it is pruned between the files and the manifest of the slower one."""
    (a,) = publish(root, tmp_path, "a")
    release = tmp_path / "late"
    late = tiny_release(release, "late")
    write_if = releases.write_if

    def all_else_first(*arguments: Any) -> str:
        monkeypatch.setattr(releases, "write_if", write_if)
        quick = ReleaseRoot(root.root)
        assert quick.add(release) == late
        assert quick.prune(1, with_overtaken=True) == [late]
        return write_if(*arguments)

    monkeypatch.setattr(releases, "write_if", all_else_first)
    assert root.add(release) == late
    with pytest.raises(InputError, match=r"expected a whole release, found a\.bin missing"):
        root.point_to(late, How.PUBLISH, {a})
    assert root.current() == a
    assert root.add(release) == late  # run again, it is completed
    assert root.point_to(late, How.PUBLISH, {a}).release_id == late
    open_artifact(Path(root.folder(late)), ArtifactKind.RELEASE)


def test_a_prune_that_slept_does_not_delete_what_was_published_again(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another has taken over, and what both were to delete has come back."""
    a, b, c = publish(root, tmp_path, *"abc")
    awake = ReleaseRoot(root.root)
    back = max(a, b)  # the sleeper has deleted the other one

    def others_first(path: str) -> None:
        monkeypatch.setattr(releases, "delete_folder", delete_folder)
        delete_folder(path)
        assert awake.prune(1, with_overtaken=False, take_over=True) == sorted([a, b])
        assert awake.add(tmp_path / "scratch" / ("a" if back == a else "b")) == back
        awake.point_to(back, How.PUBLISH, {c})

    monkeypatch.setattr(releases, "delete_folder", others_first)
    with pytest.raises(InputError, match="this prune at work, found another that took over"):
        root.prune(1, with_overtaken=False)
    assert (root.current(), retired(root)) == (back, ())
    open_artifact(Path(root.folder(back)), ArtifactKind.RELEASE)


def test_of_two_prunes_at_once_the_later_one_is_refused(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = publish(root, tmp_path, *"abcd")
    other = ReleaseRoot(root.root)

    def prune_too(path: str) -> None:
        monkeypatch.setattr(releases, "delete_folder", delete_folder)
        with pytest.raises(InputError, match="no other prune at work"):
            other.prune(2, with_overtaken=False)
        delete_folder(path)

    monkeypatch.setattr(releases, "delete_folder", prune_too)
    assert root.prune(1, with_overtaken=False) == sorted(ids[:3])
    assert (folders(root), retired(root), root.current()) == ([ids[3]], (), ids[3])


def test_a_release_goes_live_while_others_are_deleted(
    root: ReleaseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who publishes needn't wait, and takes nothing off the list of what is being deleted."""
    a, b = publish(root, tmp_path, *"ab")
    new = add(root, tmp_path, "new")

    def publish_first(path: str) -> None:
        monkeypatch.setattr(releases, "delete_folder", delete_folder)
        pointer = ReleaseRoot(root.root).point_to(new, How.PUBLISH, {b})
        assert pointer.retired == (a,)
        delete_folder(path)

    monkeypatch.setattr(releases, "delete_folder", publish_first)
    assert root.prune(1, with_overtaken=False) == [a]
    assert (root.current(), folders(root), retired(root)) == (new, sorted([b, new]), ())


def test_a_release_that_somebody_deleted_by_hand_stands_in_nobodys_way(
    root: ReleaseRoot, tmp_path: Path
) -> None:
    a, b, c = publish(root, tmp_path, *"abc")
    shutil.rmtree(root.folder(a))
    assert root.prune(2, with_overtaken=False) == []
    assert root.prune(1, with_overtaken=False) == [b]
    assert root.release_ids() == [c]
