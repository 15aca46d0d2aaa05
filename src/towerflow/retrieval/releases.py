"""A release root: immutable releases, and a pointer to the current one.

Layout: `<root>/releases/<release_id>/…` and `<root>/current.json`, in a folder or a bucket. A
release is named by its content, so that whoever writes it writes the same; its manifest comes last,
so that one with a manifest is whole.
"""

import contextlib
import datetime
from collections.abc import Collection
from pathlib import Path
from typing import Final

from towerflow.errors import InputError
from towerflow.retrieval.pointer import How, Pointer, is_release_id, read_pointer, write_pointer
from towerflow.schema import MANIFEST_FILE, ArtifactKind, Manifest
from towerflow.storage.artifact import open_artifact, read_manifest
from towerflow.storage.filesystems import (
    absolute,
    delete_files,
    delete_folder,
    exists,
    match_files,
    size,
    write_if,
)
from towerflow.storage.object_store import ABSENT, Conflict
from towerflow.storage.transfer import Tell, upload_files

RELEASES_FOLDER: Final = "releases"


class Overtaken(InputError):  # noqa: N818 (reads better where it is caught)
    """Something else is live than what was to be replaced."""


def release_id_of(manifest: Manifest) -> str:
    """The name of a release, made of its content."""
    return f"r-{manifest.content_hash[:16]}"


class ReleaseRoot:
    """Where releases are published.

    Args:
        root: local or remote folder; made when first published to.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = absolute(str(root)).rstrip("/")

    def __str__(self) -> str:
        """As the user would write it."""
        return self.root

    def folder(self, release_id: str) -> str:
        """Where the release of that id lies."""
        return f"{self.root}/{RELEASES_FOLDER}/{release_id}"

    def pointer(self) -> Pointer | None:
        """What is current, or None before the first publish.

        Raises:
            InputError: the pointer is damaged.
        """
        return read_pointer(self.root)[0]

    def current(self) -> str | None:
        """Id of the current release, or None before the first publish.

        Raises:
            InputError: the pointer is damaged or points to nothing.
        """
        pointer = self.pointer()
        if pointer is None:
            return None
        self._require_whole(pointer.release_id)
        return pointer.release_id

    def required_current(self) -> str:
        """Id of the current release.

        Raises:
            InputError: nothing has been published.
        """
        current = self.current()
        if current is None:
            raise InputError(self, expected="a release root", found="nothing published there")
        return current

    def release_ids(self) -> list[str]:
        """Whole releases, in order of their names."""
        folder = f"{self.root}/{RELEASES_FOLDER}/"
        names = [file.path.removeprefix(folder).split("/") for file in match_files(folder)]
        return sorted(parts[0] for parts in names if parts[1:] == [MANIFEST_FILE])

    def manifest(self, release_id: str) -> Manifest:
        """That of a release.

        Raises:
            InputError: there is no such release, or it is damaged.
        """
        if not is_release_id(release_id) or not self._is_there(release_id):
            known = ", ".join(self.release_ids()) or "none"
            raise InputError(f"release '{release_id}'", expected=f"one of {self}", found=known)
        return read_manifest(self.folder(release_id))

    def add(self, release: Path, tell: Tell | None = None) -> str:
        """Copy the Release artifact in a local folder here; nothing becomes current.

        Returns:
            Its id. One that is here already is left as it is, but for files that it lacks.

        Raises:
            InputError: it is damaged, or the one that is here is being deleted.
            StorageError: it could not be written; what was is not seen by anybody.
        """
        manifest = open_artifact(release, ArtifactKind.RELEASE)
        release_id = release_id_of(manifest)
        self._require_kept(self.pointer(), release_id)
        target = self.folder(release_id)
        if not self._is_there(release_id) or self._lacks(release_id, manifest):
            upload_files(release, sorted(manifest.files), target, tell)
            content = (release / MANIFEST_FILE).read_bytes()
            with contextlib.suppress(Conflict):  # somebody else has just completed the same
                write_if(f"{target}/{MANIFEST_FILE}", content, ABSENT)
        return release_id

    def point_to(
        self, release_id: str, how: How, instead_of: Collection[str | None] | None = None
    ) -> Pointer:
        """Make a whole release the current one, if one of `instead_of` still is.

        Nothing is changed if it is current already.

        Args:
            release_id: of a release that is here.
            how: what is remembered of it.
            instead_of: what may be replaced, None for nothing published; None: whatever is live.

        Raises:
            Overtaken: something else is live.
            InputError: the release is not whole, or being deleted.
        """
        tried: Pointer | None = None
        while True:
            last, generation = read_pointer(self.root)
            if last and tried and tried.history[-1] in last.history:
                return tried  # it went through, its answer was lost, and somebody came after
            live = last.release_id if last else None
            if last and live == release_id:
                return last
            if instead_of is not None and live not in instead_of:
                expected = " or ".join(name or "nothing" for name in sorted(instead_of, key=str))
                raise Overtaken(
                    self,
                    expected=f"{expected} live",
                    found=f"{live or 'nothing'}, published meanwhile",
                    hint=f"{release_id} is complete beside it",
                )
            # After the pointer was read: whoever begins to delete the release now writes it, and
            # whoever ended that before has deleted all that they will.
            self._require_kept(last, release_id)
            if lacking := self._lacks(release_id, self.manifest(release_id)):
                raise InputError(
                    self.folder(release_id),
                    expected="a whole release",
                    found=f"{lacking} missing or of another size",
                )
            at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
            tried = Pointer.after(last, release_id, at, how)
            with contextlib.suppress(Conflict):  # then look again what is live
                write_pointer(self.root, tried, generation)
                return tried

    def prune(self, keep: int, *, with_overtaken: bool) -> list[str]:
        """Delete all but the current release and the `keep` that were current last.

        They are named in the pointer first, so that nobody makes one of them current while it is
        deleted.

        Args:
            keep: at least 1; the current one is the first of them.
            with_overtaken: delete those too that never were current; a publish that is going on
                then has to be run again.

        Returns:
            The ids that are gone.

        Raises:
            InputError: nothing has been published.
        """
        assert keep > 0, "the current release stays"
        while True:
            pointer, generation = read_pointer(self.root)
            if pointer is None:
                raise InputError(self, expected="a release root", found="nothing published there")
            doomed = set(pointer.retired) | self._superfluous(pointer, keep, with_overtaken)
            if not doomed:
                return []
            try:
                write_pointer(self.root, pointer.retiring(doomed), generation)
            except Conflict:
                continue
            break
        for release_id in sorted(doomed):
            if not self._is_retired(release_id):
                continue  # another prune was faster; by now it may have been published again
            delete_files([f"{self.folder(release_id)}/{MANIFEST_FILE}"])
            delete_folder(self.folder(release_id))
        self._forget(doomed)
        return sorted(doomed)

    def _superfluous(self, pointer: Pointer, keep: int, with_overtaken: bool) -> set[str]:
        newest_first = list(dict.fromkeys(move.release_id for move in reversed(pointer.history)))
        kept = {pointer.release_id, *newest_first[:keep]}
        known = self.release_ids() if with_overtaken else newest_first
        return {one for one in known if one not in kept and self._is_there(one)}

    def _forget(self, gone: Collection[str]) -> None:
        """Take what is deleted off the list of what is being deleted."""
        while True:
            pointer, generation = read_pointer(self.root)
            assert pointer is not None, "a root is never unpublished"
            with contextlib.suppress(Conflict):
                left = set(pointer.retired).difference(gone)
                write_pointer(self.root, pointer.retiring(left), generation)
                return

    def _is_retired(self, release_id: str) -> bool:
        pointer = self.pointer()
        return pointer is not None and release_id in pointer.retired

    def _require_kept(self, pointer: Pointer | None, release_id: str) -> None:
        if pointer is not None and release_id in pointer.retired:
            raise InputError(
                self.folder(release_id),
                expected="a whole release",
                found="one that is being deleted",
                hint="towerflow releases prune ends that; then publish again",
            )

    def _lacks(self, release_id: str, manifest: Manifest) -> str:
        """A file that is not there as the manifest lists it, by size; "" if all are."""
        for name, entry in manifest.files.items():
            if size(f"{self.folder(release_id)}/{name}") != entry.bytes:
                return name
        return ""

    def _is_there(self, release_id: str) -> bool:
        return exists(f"{self.folder(release_id)}/{MANIFEST_FILE}")

    def _require_whole(self, release_id: str) -> None:
        if not self._is_there(release_id):
            raise InputError(
                self.folder(release_id), expected="a whole release", found=f"no {MANIFEST_FILE}"
            )
