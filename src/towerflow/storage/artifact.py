"""Artifact folders: written whole with a manifest, checked when opened."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import JsonValue, ValidationError

from towerflow import __version__
from towerflow.errors import InputError
from towerflow.schema import MANIFEST_FILE, SCHEMA_VERSION, ArtifactKind, FileEntry, Manifest
from towerflow.storage.files import files_under, new_folder, sha256


@dataclass
class ArtifactDraft:
    """An artifact being written: put files into `folder`, findings into the rest."""

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    details: dict[str, JsonValue] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)


@contextmanager
def new_artifact(path: Path, kind: ArtifactKind, step: str) -> Iterator[ArtifactDraft]:
    """Yield a draft; on success it becomes the artifact at `path`, on failure nothing is left."""
    with new_folder(path) as folder:
        draft = ArtifactDraft(folder)
        yield draft
        manifest = _describe(draft, kind, step)
        (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")


def open_artifact(path: Path, kind: ArtifactKind) -> Manifest:
    """Check the artifact at `path` and return its manifest.

    Raises:
        InputError: it is missing, of another kind or version, or a file differs from its hash.
    """
    manifest = read_manifest(path)
    if manifest.kind != kind:
        raise InputError(path, expected=f"an artifact of kind {kind}", found=manifest.kind)
    for name, entry in manifest.files.items():
        _check_file(path, name, entry)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Read and validate `manifest.json` of the artifact at `path`, without touching its files."""
    file = path / MANIFEST_FILE
    if not file.is_file():
        raise InputError(path, expected=f"an artifact folder with a {MANIFEST_FILE}", found="none")
    try:
        content = json.loads(file.read_text("utf-8"))
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version != SCHEMA_VERSION:
            raise InputError(
                file, field="schema_version", expected=str(SCHEMA_VERSION), found=str(version)
            )
        return Manifest.model_validate(content)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(file, expected="JSON", found=str(error)) from error
    except ValidationError as error:
        raise InputError.from_validation(file, "a valid manifest", error) from error


def _describe(draft: ArtifactDraft, kind: ArtifactKind, step: str) -> Manifest:
    files = {
        path.relative_to(draft.folder).as_posix(): FileEntry(
            bytes=path.stat().st_size, sha256=sha256(path)
        )
        for path in files_under(draft.folder)
    }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        kind=kind,
        step=step,
        towerflow=__version__,
        counts=draft.counts,
        details=draft.details,
        inputs=draft.inputs,
        files=files,
        content_hash=_content_hash(files),
    )


def _content_hash(files: Mapping[str, FileEntry]) -> str:
    listing = "\n".join(f"{name} {entry.sha256}" for name, entry in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def _check_file(folder: Path, name: str, entry: FileEntry) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise InputError(folder / MANIFEST_FILE, expected="files inside the artifact", found=name)
    path = folder / name
    if not path.is_file():
        raise InputError(path, expected="a file that the manifest lists", found="none")
    size = path.stat().st_size
    if size != entry.bytes:
        raise InputError(path, expected=f"{entry.bytes} bytes", found=f"{size}")
    if sha256(path) != entry.sha256:
        raise InputError(path, expected=f"sha256 {entry.sha256[:12]}…", found="other content")
