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
from uuid import uuid4

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

    def is_whole(self, release_id: str) -> bool:
        """Whether all files of a release are there, by their sizes.

        Raises:
            InputError: there is no such release, or its manifest is damaged.
        """
        return not self._lacks(release_id, self.manifest(release_id))

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

    def prune(self, keep: int, *, with_overtaken: bool, take_over: bool = False) -> list[str]:
        """Delete all but the current release and the `keep` that were current last.

        They are named in the pointer first, so that nobody makes one of them current while it is
        deleted, and with a token, so that two prunes never delete at once.

        Args:
            keep: at least 1; the current one is the first of them.
            with_overtaken: delete those too that never were current; a publish that is going on
                then has to be run again.
            take_over: finish what another prune began and did not end, since it was killed.

        Returns:
            The ids that are gone.

        Raises:
            InputError: nothing has been published, another prune is at work, or took over.
        """
        assert keep > 0, "the current release stays"
        token = uuid4().hex
        doomed = self._retire(keep, token, with_overtaken, take_over)
        for release_id in sorted(doomed):
            self._require_pruner(token)
            delete_files([f"{self.folder(release_id)}/{MANIFEST_FILE}"])
            delete_folder(self.folder(release_id))
        if doomed:
            self._end_prune(token)
        return sorted(doomed)

    def _retire(self, keep: int, token: str, with_overtaken: bool, take_over: bool) -> set[str]:
        """Name in the pointer what is going to be deleted, and by whom."""
        while True:
            pointer, generation = read_pointer(self.root)
            if pointer is None:
                raise InputError(self, expected="a release root", found="nothing published there")
            if pointer.pruner and not take_over:
                raise InputError(
                    self,
                    expected="no other prune at work",
                    found=f"one that deletes {', '.join(pointer.retired)}",
                    hint="if it was killed, add --take-over",
                )
            doomed = set(pointer.retired) | self._superfluous(pointer, keep, with_overtaken)
            if not doomed:
                return doomed
            with contextlib.suppress(Conflict):
                write_pointer(self.root, pointer.retiring(doomed, token), generation)
                return doomed

    def _superfluous(self, pointer: Pointer, keep: int, with_overtaken: bool) -> set[str]:
        newest_first = list(dict.fromkeys(move.release_id for move in reversed(pointer.history)))
        kept = {pointer.release_id, *newest_first[:keep]}
        known = self.release_ids() if with_overtaken else newest_first
        return {one for one in known if one not in kept and self._is_there(one)}

    def _end_prune(self, token: str) -> None:
        """Nothing is being deleted any more."""
        while True:
            self._require_pruner(token)
            pointer, generation = read_pointer(self.root)
            assert pointer is not None, "a root is never unpublished"
            with contextlib.suppress(Conflict):
                write_pointer(self.root, pointer.retiring((), ""), generation)
                return

    def _require_pruner(self, token: str) -> None:
        pointer = self.pointer()
        if pointer is None or pointer.pruner != token:
            raise InputError(self, expected="this prune at work", found="another that took over")

    def _require_kept(self, pointer: Pointer | None, release_id: str) -> None:
        if pointer is not None and release_id in pointer.retired:
            raise InputError(
                self.folder(release_id),
                expected="a whole release",
                found="one that is being deleted",
                hint="publish again when that is done",
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
