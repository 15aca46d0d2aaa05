"""Reading a manifest that anybody may have written."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from towerflow.errors import InputError, shortened
from towerflow.schema import MANIFEST_FILE, SCHEMA_VERSION, FileEntry, Manifest
from towerflow.storage.filesystems import read_versioned
from towerflow.storage.object_store import ABSENT
from towerflow.storage.transfer import stays_inside

MANIFEST_LIMIT: Final = 16 * 2**20  # bytes


def read_manifest(path: Path | str) -> Manifest:
    """Read and validate `manifest.json` of the artifact at `path`, without touching its files.

    Raises:
        InputError: there is none, or it isn't one that `new_artifact` could have written.
    """
    return parse_manifest(f"{path}/{MANIFEST_FILE}", manifest_bytes(path))


def manifest_bytes(path: Path | str) -> bytes:
    """Content of `manifest.json` of the artifact at `path`, which may be remote."""
    read = read_versioned(f"{path}/{MANIFEST_FILE}", max_bytes=MANIFEST_LIMIT)
    if read.generation == ABSENT:
        raise InputError(path, expected=f"an artifact folder with a {MANIFEST_FILE}", found="none")
    return read.content


def parse_manifest(file: str, content: bytes) -> Manifest:
    """The manifest that `content`, read from `file`, is; InputError if it is none."""
    decoded = _decoded(file, content)
    version = decoded.get("schema_version") if isinstance(decoded, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            file,
            field="schema_version",
            expected=str(SCHEMA_VERSION),
            found=shortened(str(version)),
        )
    try:
        manifest = Manifest.model_validate(decoded)
    except ValidationError as error:
        raise InputError.from_validation(file, "a valid manifest", error) from error
    except RecursionError as error:
        raise InputError(file, expected="a valid manifest", found="one nested too deep") from error
    _require_plain(file, manifest.files)
    if content_hash(manifest.files) != manifest.content_hash:
        raise InputError(
            file, field="content_hash", expected="the hash of what 'files' lists", found="another"
        )
    # Of what stands there: a number in quotes would be read as the same manifest.
    if _hash_of(decoded) != manifest.manifest_hash:
        raise InputError(
            file, field="manifest_hash", expected="the hash of all else in it", found="another"
        )
    return manifest


def manifest_hash(manifest: Manifest) -> str:
    """One hash over all of a manifest but this hash."""
    return _hash_of(manifest.model_dump(mode="json"))


def content_hash(files: Mapping[str, FileEntry]) -> str:
    """One hash over the names and the content of all files."""
    listing = "\n".join(f"{name} {entry.sha256}" for name, entry in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def _hash_of(fields: Mapping[str, Any]) -> str:
    told = {name: value for name, value in fields.items() if name != "manifest_hash"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _decoded(file: str, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_distinct)
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise InputError(file, expected="JSON", found=str(error)) from error
    except RecursionError as error:
        raise InputError(file, expected="JSON", found="one nested too deep") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Python would take the last of two that are called the same."""
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("an object with the same key twice")
    return keys


def _require_plain(file: str, files: Mapping[str, FileEntry]) -> None:
    for name, entry in files.items():
        folders = {name[:at] for at, letter in enumerate(name) if letter == "/"}
        if not stays_inside(name) or name == MANIFEST_FILE or folders & files.keys():
            raise InputError(
                file, expected="files inside the artifact", found=shortened(repr(name))
            )
        if entry.bytes < 0:
            raise InputError(
                file, field=shortened(name), expected="a size", found=f"{entry.bytes} bytes"
            )
