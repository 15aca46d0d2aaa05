"""The command line's own decisions; whole commands run in tests/pipelines/test_retrain.py."""

from pathlib import Path

import pytest

from towerflow.cli import (
    cache_folder,
    data_name,
    only_release_root,
    resolve_encoder,
    resolve_recipe,
)
from towerflow.errors import InputError


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("shop/items.parquet", "shop"),
        ("shop/items.jsonl.gz", "shop"),
        ("data/shop.csv", "shop"),
        ("data/shop", "shop"),
        ("gs://bucket/shop/items.jsonl.gz", "shop"),
        ("gs://bucket/shop", "shop"),
        ("shop/part-*.csv", "shop"),
    ],
)
def test_data_are_named_by_their_folder_or_file(path: str, name: str) -> None:
    assert data_name(path) == name


def test_a_recipe_file_becomes_its_text(tmp_path: Path) -> None:
    text = "description: mine\nmodel: {kind: popularity}\n"
    (tmp_path / "mine.yaml").write_text(text)
    assert resolve_recipe(str(tmp_path / "mine.yaml")) == text
    assert resolve_recipe("learn") == "learn"
    with pytest.raises(InputError, match="a recipe file, found nothing there"):
        resolve_recipe("no.yaml")


def test_an_encoder_may_be_a_folder(tiny_encoder: Path, tmp_path: Path) -> None:
    assert resolve_encoder(str(tiny_encoder), tmp_path) == tiny_encoder
    with pytest.raises(InputError, match="a model folder"):
        resolve_encoder(str(tmp_path), tmp_path)


def test_the_only_release_root_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="found 0 below"):
        only_release_root()
    (tmp_path / "towerflow-out/releases/one").mkdir(parents=True)
    assert only_release_root() == Path("towerflow-out/releases/one")
    (tmp_path / "towerflow-out/releases/two").mkdir()
    with pytest.raises(InputError, match=r"found 2 below .*one, .*two"):
        only_release_root()


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/towerflow")
