"""Releases of three small files: all that a release root asks of one."""

from pathlib import Path

from towerflow.retrieval.pointer import How, Pointer
from towerflow.retrieval.releases import ReleaseRoot, release_id_of
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, read_manifest


def tiny_release(folder: Path, name: str) -> str:
    """A Release artifact of that content in a local folder; its id."""
    with new_artifact(folder, ArtifactKind.RELEASE, "test") as draft:
        (draft.folder / "model").mkdir()
        for file in ("a.bin", "b.bin", "model/config.json"):
            (draft.folder / file).write_text(f"{file} of {name}", "utf-8")
    return release_id_of(read_manifest(folder))


def add_tiny(root: ReleaseRoot, scratch: Path, name: str) -> str:
    """Such a release in `root`, not current; its id."""
    tiny_release(scratch / name, name)
    return root.add(scratch / name)


def publish_tiny(root: ReleaseRoot, scratch: Path, *names: str) -> list[str]:
    """Such releases, each current once, in that order; their ids."""
    ids = [add_tiny(root, scratch, name) for name in names]
    for release_id in ids:
        root.point_to(release_id, How.PUBLISH)
    return ids


def pointer_of(root: ReleaseRoot) -> Pointer:
    """Of a root that has one."""
    pointer = root.pointer()
    assert pointer is not None
    return pointer


def folders(root: ReleaseRoot) -> list[str]:
    """All that lies among the releases of a local root, whole or not."""
    return sorted(path.name for path in Path(root.folder("x")).parent.iterdir())
