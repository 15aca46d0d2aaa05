"""The pointer of a release root: moved whole, refused when damaged."""

import json
from pathlib import Path

import pytest

from towerflow.errors import InputError
from towerflow.retrieval.releases import current_release, point_to, release_folder


def test_before_the_first_publish_there_is_none(tmp_path: Path) -> None:
    assert current_release(tmp_path) is None


def test_the_pointer_names_the_current_release_and_the_one_before(tmp_path: Path) -> None:
    for name in ("r-1", "r-2"):
        release_folder(tmp_path, name).mkdir(parents=True)
        point_to(tmp_path, name, "2026-01-01T00:00:00+00:00")
    assert current_release(tmp_path) == release_folder(tmp_path, "r-2")
    assert json.loads((tmp_path / "current.json").read_text())["previous"] == "r-1"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "expected a release_id"),
        ("[]", "expected a release_id"),
        ("{}", "expected a release_id"),
        ('{"release_id": 7}', "expected a name, found 7"),
        ('{"release_id": "../r-1"}', r"expected a name, found \.\./r-1"),
        ('{"release_id": ".."}', r"expected"),
        ('{"release_id": "r-gone"}', "an existing release, found r-gone"),
    ],
)
def test_a_damaged_pointer_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "current.json").write_text(content)
    with pytest.raises(InputError, match=rf"current\.json.*{sentence}"):
        current_release(tmp_path)
