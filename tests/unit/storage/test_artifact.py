"""Artifacts: described when written, refused by name when damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from towerflow.errors import InputError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest


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


def change(path: Path, **entries: Any) -> None:
    """Change top-level entries of the manifest."""
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


ENTRY = {"bytes": 1, "sha256": "0"}


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda path: (path / "manifest.json").unlink(), ["an artifact folder", "found none"]),
        (lambda path: (path / "manifest.json").write_text("{"), ["manifest.json", "JSON"]),
        (lambda path: (path / "manifest.json").write_text("[]"), ["schema_version", "found None"]),
        (lambda path: (path / "manifest.json").write_bytes(b"\xff"), ["manifest.json", "JSON"]),
        (lambda path: change(path, schema_version=2), ["schema_version", "expected 1, found 2"]),
        (lambda path: change(path, counts="many"), ["counts", "a valid manifest"]),
        (lambda path: change(path, surprise=1), ["surprise", "Extra inputs"]),
        (lambda path: change(path, kind="index"), ["an artifact of kind dataset", "found index"]),
        (lambda path: (path / "a.txt").unlink(), ["a.txt", "a file that the manifest lists"]),
        (lambda path: (path / "a.txt").write_text("hell"), ["a.txt", "5 bytes", "found 4"]),
        (lambda path: (path / "a.txt").write_text("jello"), ["a.txt", "sha256", "other content"]),
        (lambda path: change(path, files={"../x": ENTRY}), ["files inside the artifact", "../x"]),
        (lambda path: change(path, files={"/etc/x": ENTRY}), ["files inside the artifact"]),
    ],
)
def test_damage_is_refused_by_name(tmp_path: Path, damage: Any, parts: list[str]) -> None:
    path = make(tmp_path / "x")
    damage(path)
    with pytest.raises(InputError) as caught:
        open_artifact(path, ArtifactKind.DATASET)
    assert [part for part in parts if part not in str(caught.value)] == []
