"""Files that hold no recipe."""

from pathlib import Path

import pytest

from towerflow.cli_recipe import resolve_recipe
from towerflow.errors import InputError


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"description: \xff", "expected a recipe file in UTF-8, found 'utf-8' codec can't decode"),
        (b"description: [", "the recipe given as text: line 1: expected YAML"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(InputError) as caught:
        resolve_recipe(str(tmp_path / "bad.yaml"))
    assert told in str(caught.value)
