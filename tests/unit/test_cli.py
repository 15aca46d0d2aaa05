"""The command line's own decisions; whole commands run in tests/pipelines/test_retrain.py."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from towerflow import bundled, cli, cli_train
from towerflow.cli import app
from towerflow.cli_cache import cache_folder, store_root
from towerflow.cli_encoder import choose_encoder
from towerflow.cli_recipe import resolve_recipe
from towerflow.cli_serve import only_release_root
from towerflow.cli_source import data_name
from towerflow.cluster.asking import ServerFailed
from towerflow.embedding import source
from towerflow.errors import InputError, StorageError
from towerflow.training.launch import TrainingProcessFailed


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


@pytest.mark.parametrize("given", ["mine.yaml", "popularity"])
def test_train_takes_a_recipe_by_name_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    text = "description: mine\nmodel: {kind: popularity}\n"
    (tmp_path / "mine.yaml").write_text(text)
    taken: list[object] = []
    monkeypatch.setattr(cli_train, "train_step", lambda *arguments: taken.extend(arguments))
    monkeypatch.chdir(tmp_path)
    options = ["--dataset", "d", "--item-embeddings", "e", "--model", "m", "--seed", "3"]
    done = CliRunner().invoke(app, ["train", *options, "--recipe", given])
    assert done.exit_code == 0, done.output
    expected = text if given == "mine.yaml" else given
    assert taken == [Path("d"), Path("e"), expected, 3, "", "", Path("m")]


def test_an_encoder_may_be_a_folder(tiny_encoder: Path, tmp_path: Path) -> None:
    chosen = choose_encoder(str(tiny_encoder), tmp_path, print)
    assert (chosen.location, chosen.pooling, chosen.l2) == (str(tiny_encoder), "", "")
    with pytest.raises(InputError, match="a model folder"):
        choose_encoder(str(tmp_path), tmp_path, print)


def test_a_bundled_encoder_is_used_as_it_was_made_for(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "bundled_encoder", lambda *_: tiny_encoder)
    chosen = choose_encoder("minilm", tmp_path, print)
    assert (chosen.location, chosen.pooling, chosen.l2) == (str(tiny_encoder), "mean", "yes")


def test_a_hub_model_is_pinned_to_its_commit(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = shutil.copytree(tiny_encoder, tmp_path / commit)
    monkeypatch.setattr(source, "snapshot_download", lambda *_, **__: str(folder))
    assert choose_encoder("a/b@main", tmp_path, print).location == f"a/b@{commit}"
    chosen = choose_encoder("qwen3-embedding-4b", tmp_path, print)
    assert chosen.location == f"Qwen/Qwen3-Embedding-4B@{commit}"
    assert (chosen.pooling, chosen.l2) == ("last", "yes")


def test_the_only_release_root_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="found 0 below"):
        only_release_root()
    (tmp_path / "towerflow-out/releases/one").mkdir(parents=True)
    assert only_release_root() == "towerflow-out/releases/one"
    (tmp_path / "towerflow-out/releases/two").mkdir()
    with pytest.raises(InputError, match=r"found 2 below .*one, .*two"):
        only_release_root()


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/towerflow")
    assert store_root("") == "/somewhere/towerflow/embeddings"
    assert store_root("gs://bucket/store") == "gs://bucket/store"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x.csv", expected="a", found="b"), 2),
        (StorageError("gs://b/x", operation="read", fault="503"), 1),
        (ServerFailed("run 1 failed: train: out of memory"), 1),
        (TrainingProcessFailed("a training process failed:\n  of memory there is no more"), 1),
    ],
)
def test_what_is_told_in_a_sentence_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == f"error: {error}\n"
