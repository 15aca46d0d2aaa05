"""Where a frozen LLM comes from: a local folder, a gs:// folder, or a model of the hub.

What tells one model from another is known before its weights are fetched, so that a run in which
nothing is new never fetches them.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from towerflow.embedding.settings import TEXT_FIELD, EncoderRecord, EncoderSettings, Pooling
from towerflow.errors import InputError
from towerflow.storage.files import sha256
from towerflow.storage.filesystems import FoundFile, checksum, is_remote, match_files, open_binary

WEIGHTS: Final = "*.safetensors"
_NEEDED: Final = ("config.json", "tokenizer.json", WEIGHTS)
_SMALL: Final = ("*.json", "*.model", "*.txt")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class NamedEncoder:
    """A model of the hub and how it is meant to be used."""

    hub_id: str
    pooling: Pooling
    l2: bool


# Pooling by position needs no padding side: texts are read without padding, or padded on the right.
# None of them wants a prompt on the side of the items; Qwen3's instructions are for queries.
NAMED_ENCODERS: Final = {
    "smollm2-135m": NamedEncoder("HuggingFaceTB/SmolLM2-135M-Instruct", Pooling.MEAN, l2=False),
    "minilm": NamedEncoder("sentence-transformers/all-MiniLM-L6-v2", Pooling.MEAN, l2=True),
    "qwen3-embedding-0.6b": NamedEncoder("Qwen/Qwen3-Embedding-0.6B", Pooling.LAST, l2=True),
    "qwen3-embedding-4b": NamedEncoder("Qwen/Qwen3-Embedding-4B", Pooling.LAST, l2=True),
    "qwen3-embedding-8b": NamedEncoder("Qwen/Qwen3-Embedding-8B", Pooling.LAST, l2=True),
    # LEARN's. The original needs remote code; this is the same in Llama's layout.
    "baichuan2-7b": NamedEncoder("hiyouga/Baichuan2-7B-Base-LLaMAfied", Pooling.MEAN, l2=True),
}


@dataclass(frozen=True)
class EncoderSource:
    """A model that can be told from others, and fetched.

    Attributes:
        name: as the user wrote it, a local path cut to its last part.
        revision: commit of the hub, or a hash over the files.
        defaults: how the model is meant to be used, as far as it says.
        fetch: gives a local folder with weights.
    """

    name: str
    revision: str
    defaults: EncoderSettings
    fetch: Callable[[], Path]

    def used(self, settings: EncoderSettings) -> EncoderRecord:
        """This model in a certain use."""
        described = json.dumps([self.revision, settings.model_dump(mode="json")], sort_keys=True)
        fingerprint = hashlib.sha256(described.encode()).hexdigest()[:32]
        return EncoderRecord(
            fingerprint=fingerprint, name=self.name, revision=self.revision, settings=settings
        )


def find_encoder(encoder: str, downloads: Path) -> EncoderSource:
    """The model that `encoder` means.

    Args:
        encoder: name in NAMED_ENCODERS, local folder, gs:// folder, or hub id, with `@` and a
            revision if not the newest is meant.
        downloads: folder for the files of a gs:// model.

    Raises:
        InputError: there is no such model, or it can't be loaded without running foreign code.
    """
    if is_remote(encoder):
        return _remote_source(encoder, downloads)
    if Path(encoder).is_dir():
        return _local_source(Path(encoder))
    if encoder in NAMED_ENCODERS:
        named = NAMED_ENCODERS[encoder]
        defaults = EncoderSettings(pooling=named.pooling, l2=named.l2)
        found = _hub_source(named.hub_id)
        return EncoderSource(encoder, found.revision, defaults, found.fetch)
    return _hub_source(encoder)


def require_model(folder: Path) -> None:
    """Check that `folder` holds a model that can be loaded without running foreign code."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    _require(str(folder), names, "no such folder" if not folder.is_dir() else "")


def _require(where: str, names: list[str], found: str = "") -> None:
    for pattern in _NEEDED:
        if not any(Path(name).match(pattern) for name in names):
            raise InputError(
                where,
                expected="a model folder with config.json, tokenizer.json and *.safetensors",
                found=found or f"no {pattern} in it",
            )


def _local_source(folder: Path) -> EncoderSource:
    require_model(folder)
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if _is_read(path.name)):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    revision = digest.hexdigest()[:32]
    return EncoderSource(folder.name, revision, own_settings(folder), lambda: folder)


def _remote_source(url: str, downloads: Path) -> EncoderSource:
    files = match_files(url)
    _require(url, [file.name for file in files], "" if files else "no such folder")
    digest = hashlib.sha256()
    files = [file for file in files if _is_read(file.name)]
    for file in files:
        digest.update(f"{file.name} {checksum(file)}\n".encode())
    revision = digest.hexdigest()[:32]
    target = downloads / revision
    small = [file for file in files if not Path(file.name).match(WEIGHTS)]
    _copy(small, url, target)

    def fetch() -> Path:
        _copy(files, url, target)
        return target

    return EncoderSource(url, revision, own_settings(target), fetch)


def _is_read(name: str) -> bool:
    """Whether a file of that name is any of the model's: no code, no pickles, no other formats."""
    return any(Path(name).match(pattern) for pattern in (*_SMALL, WEIGHTS))


def _copy(files: list[FoundFile], root: str, target: Path) -> None:
    for file in files:
        name = PurePosixPath(file.path.removeprefix(root.rstrip("/") + "/"))
        if name.is_absolute() or ".." in name.parts:
            raise InputError(root, expected="files below it", found=str(name))
        path = target / name
        if not path.is_file() or path.stat().st_size != file.bytes:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_binary(file.path) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def _hub_source(encoder: str) -> EncoderSource:
    model, _, revision = encoder.partition("@")

    def download(patterns: tuple[str, ...]) -> Path:
        try:
            return Path(
                snapshot_download(model, revision=revision or None, allow_patterns=list(patterns))
            )
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            raise InputError(
                f"model '{encoder}'",
                expected=f"{', '.join(NAMED_ENCODERS)}, a model folder, or a hub id",
                found=f"none of them ({str(error).splitlines()[0]})",
            ) from error

    small = download(_SMALL)
    # The hub's cache has a folder for each commit; a name of a branch would not tell versions.
    assert _COMMIT.fullmatch(small.name), small

    def fetch() -> Path:
        folder = download((*_SMALL, WEIGHTS))
        require_model(folder)
        return folder

    return EncoderSource(encoder, small.name, own_settings(small), fetch)


def own_settings(folder: Path) -> EncoderSettings:
    """What a model in sentence-transformers' layout says of its pooling; else LEARN's."""
    modules = _read_json(folder / "modules.json", [])
    pooling = _read_json(folder / "1_Pooling" / "config.json", {})
    prompts = _read_json(folder / "config_sentence_transformers.json", {}).get("prompts") or {}
    mode = pooling.get("pooling_mode")
    if pooling.get("pooling_mode_cls_token") or mode == "cls":
        kind = Pooling.CLS
    elif pooling.get("pooling_mode_lasttoken") or mode == "lasttoken":
        kind = Pooling.LAST
    else:
        kind = Pooling.MEAN
    return EncoderSettings(
        pooling=kind,
        l2=any(str(module.get("type", "")).endswith("Normalize") for module in modules),
        prompt=f"{prompts.get('document') or ''}{TEXT_FIELD}",
    )


def _read_json(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, expected="JSON", found=str(error)) from error
