"""Manifests that say something else than their step wrote, with hashes as they should be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from towerflow.schema import MANIFEST_FILE, Manifest
from towerflow.storage.artifact import read_manifest
from towerflow.storage.manifest import manifest_hash


def sealed(manifest: Manifest) -> Manifest:
    """The same with the hash of what it says."""
    return manifest.model_copy(update={"manifest_hash": manifest_hash(manifest)})


def change_details(folder: Path, details: Mapping[str, Any]) -> None:
    """Let the artifact in `folder` have these details."""
    manifest = read_manifest(folder).model_copy(update={"details": dict(details)})
    (folder / MANIFEST_FILE).write_text(sealed(manifest).model_dump_json(), "utf-8")
