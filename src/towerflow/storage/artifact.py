"""Artifact folders: written whole with a manifest, checked when opened, local or remote."""

import json
import tempfile
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from towerflow import __version__
from towerflow.errors import InputError
from towerflow.schema import MANIFEST_FILE, SCHEMA_VERSION, ArtifactKind, FileEntry, Manifest
from towerflow.storage.files import files_under, new_folder, sha256
from towerflow.storage.filesystems import (
    delete_files,
    is_remote,
    read_versioned,
    write_bytes,
)
from towerflow.storage.manifest import (
    MANIFEST_LIMIT,
    content_hash,
    manifest_bytes,
    manifest_hash,
    parse_manifest,
    read_manifest,
)
from towerflow.storage.transfer import Tell, download_files, upload_files

__all__ = [
    "ArtifactDraft",
    "check_artifact",
    "fetch_artifact",
    "local_artifact",
    "new_artifact",
    "open_artifact",
    "read_manifest",
    "require_replaceable",
    "upload_artifact",
]

_HASHED_AT_ONCE: Final = 4  # hashing lets other threads run; more than a disk can feed


@dataclass
class ArtifactDraft:
    """An artifact being written: put files into `folder`, findings into the rest."""

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    details: dict[str, JsonValue] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)


@contextmanager
def new_artifact(path: Path, kind: ArtifactKind, step: str) -> Iterator[ArtifactDraft]:
    """Yield a draft; on success it becomes the artifact at `path`, on failure nothing is left.

    Raises:
        InputError: as `require_replaceable`.
    """
    require_replaceable(path, kind)
    with new_folder(path) as folder:
        draft = ArtifactDraft(folder)
        yield draft
        manifest = _describe(draft, kind, step)
        (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")


def require_replaceable(path: Path, kind: ArtifactKind) -> None:
    """See that an artifact written to `path` takes the place of nothing but an earlier one.

    Raises:
        InputError: what is there is not of that kind, and would be lost.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    expected = f"nothing, an empty folder or an earlier {kind}, which this one would replace"
    try:
        there = json.loads((path / MANIFEST_FILE).read_bytes())["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        what = "a folder with other things" if path.is_dir() else "a file"
        raise InputError(path, expected=expected, found=what) from None
    if there != kind:  # whichever version wrote it
        raise InputError(path, expected=expected, found=f"an artifact of kind {there}")


def open_artifact(path: Path, kind: ArtifactKind) -> Manifest:
    """Check the artifact at `path` and return its manifest.

    Raises:
        InputError: it is missing, of another kind or version, or a file differs from its hash.
    """
    manifest = read_manifest(path)
    _require_kind(path, manifest, kind)
    _check_files(path, manifest, manifest.files)
    return manifest


@contextmanager
def local_artifact(
    source: str, kind: ArtifactKind, names: Collection[str] | None = None
) -> Iterator[Path]:
    """Yield a local folder with the checked artifact at `source`; a remote one's copy is temporary.

    Args:
        source: local or remote folder.
        kind: what it has to be.
        names: the files that are needed, if not all; only they are fetched and checked.

    Raises:
        InputError: as `open_artifact`, or the manifest lists no such file.
        StorageError: it could not be fetched.
    """
    if not is_remote(source):
        manifest = read_manifest(source)
        check_artifact(Path(source), manifest, kind, manifest.files if names is None else names)
        yield Path(source)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "artifact"
        fetch_artifact(source, kind, folder, names)
        yield folder


def fetch_artifact(
    source: str, kind: ArtifactKind, folder: Path, names: Collection[str] | None = None
) -> None:
    """Copy the artifact at a remote `source` to `folder`, all of it or nothing, and check it.

    Args:
        source: remote folder.
        kind: what it has to be.
        folder: local one, made here.
        names: the files that are needed, if not all.

    Raises:
        InputError: as `open_artifact`, or the manifest lists no such file.
        StorageError: it could not be fetched.
    """
    content = manifest_bytes(source)
    manifest = parse_manifest(f"{source}/{MANIFEST_FILE}", content)
    _require_kind(source, manifest, kind)
    wanted = sorted(manifest.files if names is None else names)
    _require_listed(source, manifest, wanted)
    with new_folder(folder) as draft:
        _fetch(source, wanted, draft)
        _check_files(draft, manifest, wanted)
        (draft / MANIFEST_FILE).write_bytes(content)


def check_artifact(
    folder: Path, manifest: Manifest, kind: ArtifactKind, names: Collection[str]
) -> None:
    """Check what an artifact is, and those of its files that are needed.

    Raises:
        InputError: it is of another kind, or a file is missing or differs from its hash.
    """
    _require_kind(folder, manifest, kind)
    _require_listed(str(folder), manifest, names)
    _check_files(folder, manifest, names)


def upload_artifact(folder: Path, target: str, tell: Tell | None = None) -> None:
    """Upload the artifact in `folder` so that a `target` with a manifest is whole at any time.

    Files that are there already with the same content are not sent again. Another artifact that
    lies there loses its manifest first.

    Args:
        folder: of the artifact.
        target: remote or local folder.
        tell: called with bytes done and in all.

    Raises:
        InputError: `folder` is no whole artifact.
        StorageError: a file could not be written.
    """
    content = manifest_bytes(folder)
    manifest = parse_manifest(f"{folder}/{MANIFEST_FILE}", content)
    _check_files(folder, manifest, manifest.files)
    path = f"{target.rstrip('/')}/{MANIFEST_FILE}"
    there = read_versioned(path, max_bytes=MANIFEST_LIMIT).content
    if there and there != content:
        delete_files([path])
    upload_files(folder, sorted(manifest.files), target, tell)
    if there != content:
        write_bytes(path, content)


def _describe(draft: ArtifactDraft, kind: ArtifactKind, step: str) -> Manifest:
    files = {
        path.relative_to(draft.folder).as_posix(): FileEntry(
            bytes=path.stat().st_size, sha256=sha256(path)
        )
        for path in files_under(draft.folder)
    }
    described = Manifest(
        schema_version=SCHEMA_VERSION,
        kind=kind,
        step=step,
        towerflow=__version__,
        counts=draft.counts,
        details=draft.details,
        inputs=draft.inputs,
        files=files,
        content_hash=content_hash(files),
        manifest_hash="",
    )
    return described.model_copy(update={"manifest_hash": manifest_hash(described)})


def _require_kind(where: object, manifest: Manifest, kind: ArtifactKind) -> None:
    if manifest.kind != kind:
        raise InputError(where, expected=f"an artifact of kind {kind}", found=manifest.kind)


def _require_listed(source: str, manifest: Manifest, names: Iterable[str]) -> None:
    for name in names:
        if name not in manifest.files:
            raise InputError(source, expected=f"a file '{name}' in its manifest", found="none")


def _fetch(source: str, names: list[str], folder: Path) -> None:
    try:
        download_files(source, names, folder)
    except FileNotFoundError as error:
        raise InputError(
            error.args[0], expected="a file that the manifest lists", found="none"
        ) from error


def _check_files(folder: Path, manifest: Manifest, names: Iterable[str]) -> None:
    with ThreadPoolExecutor(_HASHED_AT_ONCE) as pool:
        checks = [pool.submit(_check_file, folder, name, manifest.files[name]) for name in names]
        for check in checks:
            check.result()


def _check_file(folder: Path, name: str, entry: FileEntry) -> None:
    path = folder / name
    try:
        size = path.stat().st_size if path.is_file() else None
        digest = sha256(path) if size == entry.bytes else ""
    except FileNotFoundError:  # deleted meanwhile
        size = None
    if size is None:
        raise InputError(path, expected="a file that the manifest lists", found="none")
    if size != entry.bytes:
        raise InputError(path, expected=f"{entry.bytes} bytes", found=f"{size}")
    if digest != entry.sha256:
        raise InputError(path, expected=f"sha256 {entry.sha256[:12]}…", found="other content")
