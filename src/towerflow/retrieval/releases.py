"""A release root: immutable releases and a pointer to the current one.

Layout: `<root>/releases/<release_id>/…` and `<root>/current.json`.
"""

import json
from pathlib import Path, PurePath
from typing import Final

from towerflow.errors import InputError
from towerflow.storage.files import write_text

POINTER_FILE: Final = "current.json"
RELEASES_FOLDER: Final = "releases"


def current_release(root: Path) -> Path | None:
    """Folder of the current release, or None before the first publish.

    Raises:
        InputError: the pointer is damaged or points to nothing.
    """
    pointer = root / POINTER_FILE
    if not pointer.exists():
        return None
    try:
        release_id = json.loads(pointer.read_text("utf-8"))["release_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(pointer, expected="a release_id", found="something else") from error
    if release_id in ("", "..") or PurePath(str(release_id)).name != release_id:
        raise InputError(pointer, field="release_id", expected="a name", found=str(release_id))
    folder = release_folder(root, release_id)
    if not folder.is_dir():
        raise InputError(pointer, expected="an existing release", found=release_id)
    return folder


def release_folder(root: Path, release_id: str) -> Path:
    """Where the release of that id lies."""
    return root / RELEASES_FOLDER / release_id


def point_to(root: Path, release_id: str, published_at: str) -> None:
    """Make `release_id` the current release, in one atomic move."""
    previous = current_release(root)
    pointer = {
        "release_id": release_id,
        "published_at": published_at,
        "previous": previous.name if previous else None,
    }
    write_text(root / POINTER_FILE, json.dumps(pointer, indent=2) + "\n")
