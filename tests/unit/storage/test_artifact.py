"""Artifacts: described when written, refused by name when damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import (
    local_artifact,
    new_artifact,
    open_artifact,
    read_manifest,
    upload_artifact,
)


def make(path: Path, text: str = "hello") -> Path:
    """An artifact with two files."""
    with new_artifact(path, ArtifactKind.DATASET, "test") as draft:
        (draft.folder / "a.txt").write_text(text)
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "b.txt").write_text("b")
        draft.counts = {"rows": 3}
    return path


def test_the_manifest_tells_what_is_there(tmp_path: Path) -> None:
    manifest = open_artifact(make(tmp_path / "x"), ArtifactKind.DATASET)
    assert manifest.counts == {"rows": 3}
    assert {name: entry.bytes for name, entry in manifest.files.items()} == {
        "a.txt": 5,
        "sub/b.txt": 1,
    }


def test_equal_content_has_an_equal_manifest_wherever_it_lies(tmp_path: Path) -> None:
    first, second = make(tmp_path / "x"), make(tmp_path / "y")
    assert read_manifest(first) == read_manifest(second)
    other = make(tmp_path / "z", "other")
    assert read_manifest(other).content_hash != read_manifest(first).content_hash


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        new_artifact(tmp_path / "x", ArtifactKind.DATASET, "test") as draft,
    ):
        (draft.folder / "a").write_text("half")
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_one_is_replaced_and_an_empty_folder_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (make(tmp_path / "x"), tmp_path / "empty"):
        change(make(path, "other"), schema_version=0)
        assert make(path, "once more") == path
        assert (path / "a.txt").read_text() == "once more"


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("home", "a folder with other things"),
        ("home/notes.txt", "a file"),
        ("home/model", "an artifact of kind metrics"),
        ("home/theirs", "a folder with other things"),
    ],
)
def test_what_is_no_earlier_one_is_never_deleted(tmp_path: Path, place: str, found: str) -> None:
    with new_artifact(tmp_path / "home" / "model", ArtifactKind.METRICS, "test"):
        pass
    (tmp_path / "home" / "notes.txt").write_text("mine")
    (tmp_path / "home" / "theirs").mkdir()
    (tmp_path / "home" / "theirs" / "manifest.json").write_text("[]")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        make(tmp_path / place)
    assert str(caught.value) == (
        f"{tmp_path / place}: expected nothing, an empty folder or an earlier dataset, "
        f"which this one would replace, found {found}."
    )
    assert sorted(tmp_path.rglob("*")) == before


def change(path: Path, **entries: Any) -> None:
    """Change top-level entries of the manifest."""
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


ENTRY = {"bytes": 1, "sha256": "0"}
DEEP = 200_000


def list_file(path: Path, name: str, **changes: Any) -> None:
    """Let the manifest list one more file."""
    entries = json.loads((path / "manifest.json").read_text())["files"]
    change(path, files={**entries, name: {**ENTRY, **changes}})


def write_manifest(path: Path, text: str) -> None:
    """Instead of the right one."""
    (path / "manifest.json").write_text(text)


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda path: (path / "manifest.json").unlink(), ["an artifact folder", "found none"]),
        (lambda path: (path / "manifest.json").write_text("{"), ["manifest.json", "JSON"]),
        (lambda path: (path / "manifest.json").write_text("[]"), ["schema_version", "found None"]),
        (lambda path: (path / "manifest.json").write_bytes(b"\xff"), ["manifest.json", "JSON"]),
        (lambda path: change(path, schema_version=99), ["schema_version", "found 99"]),
        (lambda path: change(path, counts="many"), ["counts", "a valid manifest"]),
        (lambda path: change(path, surprise=1), ["surprise", "Extra inputs"]),
        (lambda path: change(path, kind="index"), ["manifest_hash", "found another"]),
        (lambda path: change(path, counts={"rows": 4}), ["manifest_hash", "found another"]),
        (lambda path: (path / "a.txt").unlink(), ["a.txt", "a file that the manifest lists"]),
        (lambda path: (path / "a.txt").write_text("hell"), ["a.txt", "5 bytes", "found 4"]),
        (lambda path: (path / "a.txt").write_text("jello"), ["a.txt", "sha256", "other content"]),
        (lambda path: change(path, files={"../x": ENTRY}), ["files inside the artifact", "../x"]),
        (lambda path: change(path, files={"/etc/x": ENTRY}), ["files inside the artifact"]),
        (lambda path: list_file(path, "a\\b"), ["files inside the artifact"]),
        (lambda path: list_file(path, "a\0"), ["files inside the artifact"]),
        (lambda path: list_file(path, ""), ["files inside the artifact"]),
        (lambda path: list_file(path, "sub//c"), ["files inside the artifact"]),
        (lambda path: list_file(path, "./a.txt"), ["files inside the artifact"]),
        (lambda path: list_file(path, "a.txt/x"), ["files inside the artifact"]),
        (lambda path: list_file(path, "manifest.json"), ["files inside the artifact"]),
        (lambda path: list_file(path, "x", bytes=-1), ["x", "a size", "found -1 bytes"]),
        (lambda path: list_file(path, "x"), ["content_hash", "what 'files' lists"]),
        (lambda path: change(path, content_hash="0"), ["content_hash", "what 'files' lists"]),
        (lambda path: write_manifest(path, "[" * DEEP), ["manifest.json", "nested too deep"]),
        (lambda path: write_manifest(path, '{"a": 1, "a": 2}'), ["JSON", "same key twice"]),
        (lambda path: write_manifest(path, "9" * 5000), ["manifest.json", "JSON"]),
        (lambda path: write_manifest(path, " " * (2**24 + 1)), ["at most 16,777,216 bytes"]),
    ],
)
def test_damage_is_refused_by_name(tmp_path: Path, damage: Any, parts: list[str]) -> None:
    path = make(tmp_path / "x")
    damage(path)
    with pytest.raises(InputError) as caught:
        open_artifact(path, ArtifactKind.DATASET)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_an_artifact_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x")
    with pytest.raises(InputError, match="an artifact of kind index, found dataset"):
        open_artifact(path, ArtifactKind.INDEX)


def test_a_local_artifact_is_used_where_it_is(tmp_path: Path) -> None:
    path = make(tmp_path / "x")
    with local_artifact(str(path), ArtifactKind.DATASET) as folder:
        assert folder == path
    (path / "a.txt").write_text("jello")
    with local_artifact(str(path), ArtifactKind.DATASET, ["sub/b.txt"]) as folder:
        assert folder == path
    with pytest.raises(InputError, match="sha256"):
        local_artifact(str(path), ArtifactKind.DATASET).__enter__()


def test_a_damaged_artifact_is_not_uploaded(tmp_path: Path) -> None:
    path = make(tmp_path / "x")
    (path / "a.txt").write_text("jello")
    with pytest.raises(InputError, match="sha256"):
        upload_artifact(path, str(tmp_path / "y"))
    assert not (tmp_path / "y").exists()


def test_another_artifact_takes_the_place_of_the_first(tmp_path: Path) -> None:
    first, second, target = make(tmp_path / "1"), make(tmp_path / "2", "other"), tmp_path / "y"
    for folder in (first, second):
        upload_artifact(folder, str(target))
        assert open_artifact(target, ArtifactKind.DATASET) == read_manifest(folder)
