"""Where an LLM comes from, how it is told from another, and what it says of itself."""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from towerflow.embedding import source
from towerflow.embedding.settings import EncoderSettings, Pooling
from towerflow.embedding.source import NAMED_ENCODERS, find_encoder, own_settings, require_model
from towerflow.errors import InputError
from towerflow.storage.filesystems import FoundFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_something_is_refused(
    tiny_encoder: Path, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder, folder, ignore=shutil.ignore_patterns(missing))
    with pytest.raises(InputError, match=r"config\.json, tokenizer\.json and .*, found no "):
        require_model(folder)
    with pytest.raises(InputError, match="no such folder"):
        require_model(tmp_path / "nowhere")


def test_a_local_model_is_known_by_its_content(tiny_encoder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_encoder, moved)
    first, same = find_encoder(str(tiny_encoder), tmp_path), find_encoder(str(moved), tmp_path)
    assert same.revision == first.revision
    assert same.name == "elsewhere"
    assert same.fetch() == moved
    weights = moved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert find_encoder(str(moved), tmp_path).revision != first.revision


def test_how_the_tokenizer_is_set_up_tells_models_apart(tiny_encoder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_encoder, other)
    config = json.loads((other / "tokenizer_config.json").read_text("utf-8"))
    (other / "tokenizer_config.json").write_text(json.dumps({**config, "add_eos_token": True}))
    first, second = (find_encoder(str(folder), tmp_path) for folder in (tiny_encoder, other))
    assert first.revision != second.revision


def test_the_fingerprint_is_of_what_an_embedding_depends_on(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    found = find_encoder(str(tiny_encoder), tmp_path)
    uses: list[dict[str, Any]] = [
        {},
        {"max_tokens": 63},
        {"pooling": "last"},
        {"layer": 0},
        {"prompt": "Title: {text}"},
        {"l2": True},
        {"precision": "bfloat16"},
    ]
    prints = {found.used(EncoderSettings(**use)).fingerprint for use in uses}
    assert len(prints) == len(uses)
    assert found.used(EncoderSettings()).fingerprint in prints


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, EncoderSettings()),
        ({"1_Pooling/config.json": {"pooling_mode_cls_token": True}}, {"pooling": "cls"}),
        ({"1_Pooling/config.json": {"pooling_mode_lasttoken": True}}, {"pooling": "last"}),
        ({"1_Pooling/config.json": {"pooling_mode": "lasttoken"}}, {"pooling": "last"}),
        ({"1_Pooling/config.json": {"pooling_mode_mean_tokens": True}}, {"pooling": "mean"}),
        ({"modules.json": [{"type": "sentence_transformers.models.Normalize"}]}, {"l2": True}),
        (
            {"config_sentence_transformers.json": {"prompts": {"document": "passage: "}}},
            {"prompt": "passage: {text}"},
        ),
    ],
)
def test_a_model_in_sentence_transformers_layout_says_how_it_is_used(
    tmp_path: Path, files: dict[str, Any], expected: Any
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content), "utf-8")
    wanted = EncoderSettings(**expected) if isinstance(expected, dict) else expected
    assert own_settings(tmp_path) == wanted


def test_a_damaged_description_is_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[", "utf-8")
    with pytest.raises(InputError, match=r"modules\.json: expected JSON"):
        own_settings(tmp_path)


@pytest.fixture
def hub(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The hub's client, which keeps a folder for each commit, and what was asked of it."""
    snapshot = tmp_path / "snapshots" / COMMIT
    asked = SimpleNamespace(calls=[], snapshot=snapshot)

    def download(model: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.calls.append((model, revision, tuple(allow_patterns)))
        if model == "no/model":
            raise LocalEntryNotFoundError("nothing on the hub")
        patterns = [] if "*.safetensors" in allow_patterns else ["*.safetensors"]
        ignored = shutil.ignore_patterns(*patterns)
        shutil.copytree(tiny_encoder, snapshot, ignore=ignored, dirs_exist_ok=True)
        return str(snapshot)

    monkeypatch.setattr(source, "snapshot_download", download)
    return asked


def test_a_hub_model_is_known_by_its_commit_before_its_weights_are_fetched(
    hub: SimpleNamespace, tmp_path: Path
) -> None:
    found = find_encoder("some/model@v1", tmp_path)
    assert (found.name, found.revision) == ("some/model@v1", COMMIT)
    assert not list(hub.snapshot.glob("*.safetensors"))
    assert list(found.fetch().glob("*.safetensors"))
    assert [(model, revision) for model, revision, _ in hub.calls] == [("some/model", "v1")] * 2
    patterns = {pattern for _, _, asked in hub.calls for pattern in asked}
    assert patterns == {"*.json", "*.model", "*.txt", "*.safetensors"}, "no code, no pickles"


@pytest.mark.parametrize("name", NAMED_ENCODERS)
def test_a_named_model_is_used_as_it_was_made_for(
    hub: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    found = find_encoder(name, tmp_path)
    assert found.name == name
    assert hub.calls[0][0] == NAMED_ENCODERS[name].hub_id
    is_embedder = name.startswith("qwen3")
    assert found.defaults.pooling is (Pooling.LAST if is_embedder else Pooling.MEAN)
    assert found.defaults.l2 is (name != "smollm2-135m")


def test_no_such_model_is_said_with_what_there_is(hub: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model 'no/model': expected smollm2-135m, .*none of the"):
        find_encoder("no/model", tmp_path)


@pytest.mark.parametrize("name", ["../outside.json", "/outside.json"])
def test_a_file_outside_the_folder_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As object names may have it; what is fetched stays below its folder."""
    names = ["config.json", "tokenizer.json", "model.safetensors", name]
    files = [FoundFile(f"gs://bucket/model/{file}", 1) for file in names]
    monkeypatch.setattr(source, "match_files", lambda _: files)
    monkeypatch.setattr(source, "checksum", lambda file: file.path)
    monkeypatch.setattr(source, "open_binary", lambda _: io.BytesIO(b"{}"))
    with pytest.raises(InputError, match=f"expected files below it, found {name}"):
        find_encoder("gs://bucket/model", tmp_path / "downloads")
    assert not (tmp_path / "downloads" / "outside.json").exists()
