"""The pointer names a release folder and nothing beside it."""

import json
from pathlib import Path

import pytest

from towerflow.errors import InputError
from towerflow.retrieval.releases import current_release, point_to, release_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A release root with one release that is current."""
    release_folder(tmp_path, "r-1").mkdir(parents=True)
    point_to(tmp_path, "r-1", "2026-01-01T00:00:00+00:00")
    return tmp_path


@pytest.mark.parametrize("name", ["..", "", ".", "/", "r-1/..", "../releases/r-1"])
def test_a_pointer_to_anything_but_a_release_is_refused(root: Path, name: str) -> None:
    (root / "current.json").write_text(json.dumps({"release_id": name}))
    with pytest.raises(InputError, match=r"current\.json"):
        current_release(root)


def test_a_pointer_that_is_not_text_is_refused(root: Path) -> None:
    (root / "current.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match=r"current\.json: expected a release_id"):
        current_release(root)


def test_the_first_release_has_none_before_it(root: Path) -> None:
    assert json.loads((root / "current.json").read_text("utf-8")) == {
        "release_id": "r-1",
        "published_at": "2026-01-01T00:00:00+00:00",
        "previous": None,
    }


def test_moving_the_pointer_leaves_nothing_else_behind(root: Path) -> None:
    release_folder(root, "r-2").mkdir()
    point_to(root, "r-2", "2026-01-02T00:00:00+00:00")
    assert current_release(root) == root / "releases" / "r-2"
    assert sorted(path.name for path in root.iterdir()) == ["current.json", "releases"]
