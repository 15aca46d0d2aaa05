"""Use a published release from any service: no torch, no kfp, vectors stay on disk.

release = Release.open("gs://bucket/shop")
release.recommend(history=["B00X", "B00Y"], k=10, deny=sold_out)
release.similar("B00X", k=10)
"""

import fcntl
import tempfile
import weakref
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import pyarrow as pa

from towerflow.errors import InputError
from towerflow.interactions.dataset import ITEMS_FILE
from towerflow.retrieval.item_index import (
    INDEX_FILE,
    NO_ITEMS,
    VECTORS_FILE,
    Found,
    IndexRecord,
    IntArray,
    ItemIndex,
)
from towerflow.retrieval.item_names import ItemNames
from towerflow.retrieval.releases import ReleaseRoot, release_id_of
from towerflow.retrieval.rows_file import Floats
from towerflow.retrieval.sorted_ids import SortedIds, read_table
from towerflow.retrieval.user_tower import (
    ITEM_INPUTS_FILE,
    ONNX_FILE,
    STRANGER,
    USER_INPUTS_FILE,
    UserTower,
)
from towerflow.schema import MANIFEST_FILE, USER_ID, USER_INDEX, ArtifactKind, Manifest
from towerflow.storage.artifact import check_artifact, fetch_artifact, read_manifest
from towerflow.storage.filesystems import absolute, exists, is_remote

HISTORIES_FILE: Final = "histories.parquet"
HISTORY: Final = "history"
MODEL_FOLDER: Final = "model"
VECTOR_SPACE: Final = "vector_space"
SERVED_FILES: Final = (
    INDEX_FILE,
    VECTORS_FILE,
    ITEM_INPUTS_FILE,
    USER_INPUTS_FILE,
    ONNX_FILE,
    ITEMS_FILE,
    HISTORIES_FILE,
)


@dataclass(frozen=True)
class Item:
    """One item of a result."""

    item_id: str
    title: str
    score: float


class _Users(NamedTuple):
    """Known users in order of their ids: rows of the user tower's inputs, and what each took."""

    ids: SortedIds
    rows: IntArray
    histories: pa.ChunkedArray

    @classmethod
    def read(cls, path: Path) -> "_Users":
        """Those of `histories.parquet`."""
        table = read_table(path, [USER_ID, USER_INDEX, HISTORY])
        return cls(SortedIds(path, table[USER_ID]), table[USER_INDEX].to_numpy(), table[HISTORY])


class Release:
    """A release opened for use. Safe to share among threads.

    Args:
        folder: local, of one release.
        num_threads: that the user tower may use for one call; 0: as many as there are cores.

    Raises:
        InputError: it is no release, or a file that serving needs is missing, damaged, or doesn't
            fit the others.
    """

    def __init__(self, folder: Path, num_threads: int = 0) -> None:
        manifest = read_manifest(folder)
        check_artifact(folder, manifest, ArtifactKind.RELEASE, _served(manifest))
        self.folder = folder
        self.release_id = release_id_of(manifest)
        self.vector_space = str(manifest.details.get(VECTOR_SPACE))
        self.names = ItemNames.read(folder / ITEMS_FILE)
        self.index = ItemIndex.open(folder, IndexRecord.of(folder, manifest.details))
        self._tower = UserTower.open(folder, num_threads)
        if self._tower.knows_users and USER_INPUTS_FILE not in manifest.files:
            raise InputError(folder, expected=f"{USER_INPUTS_FILE} in its manifest", found="none")
        self._users = _Users.read(folder / HISTORIES_FILE)  # now: a prune may delete the folder
        self._require_fit()

    @classmethod
    def open(cls, uri: str | Path, cache: Path | None = None, num_threads: int = 0) -> Self:
        """Open the current release of a release root, or the release in that very folder.

        Args:
            uri: local folder, `gs://` or `s3://`.
            cache: where remote releases are kept for the next time; None: not beyond this object.
            num_threads: see the class.

        Raises:
            InputError: nothing is published there, or it is damaged.
            StorageError: it can't be fetched.
        """
        root = ReleaseRoot(uri)
        pointer = root.pointer()
        if pointer is None:
            if not exists(f"{root}/{MANIFEST_FILE}"):
                raise InputError(
                    root,
                    expected="a release root or a release",
                    found=f"nothing published there and no {MANIFEST_FILE}",
                )
            return cls._of_folder(str(root), cache, num_threads)
        while True:
            try:
                return cls._of_folder(root.folder(pointer.release_id), cache, num_threads)
            except InputError:
                # Pruned while it was read? Then another is current by now.
                latest = root.pointer()
                if latest is None or latest.release_id == pointer.release_id:
                    raise
                pointer = latest

    @classmethod
    def _of_folder(cls, uri: str, cache: Path | None, num_threads: int) -> Self:
        if not is_remote(uri):
            return cls(Path(absolute(uri)), num_threads)
        if cache is not None:
            return cls(cls._cached(uri, cache), num_threads)
        temporary = tempfile.TemporaryDirectory()
        try:
            folder = Path(temporary.name) / "release"
            cls._fetch(uri, folder)
            release = cls(folder, num_threads)
        except BaseException:
            temporary.cleanup()
            raise
        weakref.finalize(release, temporary.cleanup)
        return release

    @classmethod
    def _cached(cls, uri: str, cache: Path) -> Path:
        """The folder below `cache` with the release at `uri`, which several may want at once."""
        manifest = read_manifest(uri)
        folder = cache / release_id_of(manifest)
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f".{folder.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                check_artifact(folder, manifest, ArtifactKind.RELEASE, _served(manifest))
            except InputError:  # not there yet, or damaged
                cls._fetch(uri, folder)
        return folder

    @staticmethod
    def _fetch(uri: str, folder: Path) -> None:
        fetch_artifact(uri, ArtifactKind.RELEASE, folder, _served(read_manifest(uri)))

    def recommend(
        self,
        history: Sequence[str] = (),
        *,
        user: str = "",
        k: int = 10,
        allow: Collection[str] | None = None,
        deny: Collection[str] = (),
    ) -> list[Item]:
        """The best items for a user, without those taken before.

        Args:
            history: ids of what was taken, oldest first; items that are newer than the release
                are passed over.
            user: id of a user of the release. Alone: after all that the release knows of the user.
                With a history: models that know users see who asks.
            k: how many.
            allow: ids of the only items that may be recommended; None: all.
            deny: ids of items that may not be.

        Returns:
            At most `k` items, best first; fewer if filters leave no more.

        Raises:
            InputError: neither a known user nor a known item, or k isn't from 1 to the number of
                items.
        """
        self._check_k(k)
        place = self._place_of(user) if user else STRANGER
        items = self._known(history) if history or not user else self._history(place)
        if not len(items) and not user:
            raise InputError("the history", expected="an item of this release", found="none")
        who = self._users.rows[place : place + 1] if user else np.array([STRANGER])
        (vector,) = self._tower.vectors([items], who)
        taken = self._history(place) if user else NO_ITEMS
        denied = np.concatenate([items, taken, self._known(deny)])
        return self._items(self.index.search(vector, k, self._allowed(allow), denied))

    def similar(
        self,
        item_id: str,
        *,
        k: int = 10,
        allow: Collection[str] | None = None,
        deny: Collection[str] = (),
    ) -> list[Item]:
        """The `k` items whose vectors are nearest to that of the item `item_id`.

        Raises:
            InputError: there is no such item, or k isn't from 1 to the number of items.
        """
        self._check_k(k)
        item = self.names.ids.find(item_id)
        if item < 0:
            raise InputError(f"item '{item_id}'", expected="an item of this release", found="none")
        denied = np.append(self._known(deny), item)
        return self._items(
            self.index.search(self.index.vectors[item], k, self._allowed(allow), denied)
        )

    def titles(self, item_ids: Sequence[str]) -> list[str]:
        """Titles of items of the release."""
        return [self.names.title(item) for item in self._known(item_ids)]

    @property
    def num_items(self) -> int:
        """Size of the catalogue."""
        return self.index.num_items

    @property
    def user_ids(self) -> SortedIds:
        """Users whose histories the release has."""
        return self._users.ids

    def history_of(self, user: str) -> list[str]:
        """Ids of what a known user took, oldest first.

        Raises:
            InputError: the release doesn't know the user.
        """
        return [self.names.ids[item] for item in self._history(self._place_of(user))]

    def user_vectors(self, user_ids: Sequence[str]) -> Floats:
        """`[num_users, dim]` of users whom the release knows, after all that they did.

        Raises:
            InputError: it doesn't know one of them.
        """
        places = self.user_ids.positions(user_ids)
        if len(places) and places.min() < 0:
            self._place_of(user_ids[int(places.argmin())])
        histories = [self._history(place) for place in places]
        return self._tower.vectors(histories, self._users.rows[places])

    def _place_of(self, user: str) -> int:
        place = self.user_ids.find(user)
        if place < 0:
            raise InputError(
                f"user '{user}'", expected="a user of this release", found="nobody of that id"
            )
        return place

    def _history(self, place: int) -> IntArray:
        """Item indices of what the user at that place took, oldest first."""
        items: IntArray = self._users.histories[place].values.to_numpy()
        return items

    def _known(self, item_ids: Collection[str]) -> IntArray:
        """Indices of those that the release has, in their order."""
        if isinstance(item_ids, str):
            raise InputError("item ids", expected="a list", found=f"the text '{item_ids}'")
        if not len(item_ids):
            return NO_ITEMS
        if len(item_ids) < 1000:  # a table of all ids costs more than to look for a few
            found = np.array([self.names.ids.find(one) for one in item_ids], dtype=np.int64)
        else:
            found = self.names.ids.positions(item_ids)
        return found[found >= 0]

    def _allowed(self, allow: Collection[str] | None) -> IntArray | None:
        return None if allow is None else self._known(allow)

    def _items(self, found: Found) -> list[Item]:
        return [
            Item(self.names.ids[item], self.names.title(item), float(score))
            for item, score in zip(found.items, found.scores, strict=True)
        ]

    def _check_k(self, k: int) -> None:
        if not 0 < k <= self.num_items:
            raise InputError(
                "k", expected=f"a number from 1 to the {self.num_items} items", found=str(k)
            )

    def _require_fit(self) -> None:
        """That files of the right hash fit together is only known of those that we wrote."""
        sizes = {
            INDEX_FILE: (self.num_items, self.index.vectors.shape[1]),
            ITEMS_FILE: (len(self.names.ids), self._tower.dim),
            ITEM_INPUTS_FILE: (self._tower.num_items, self._tower.dim),
        }
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{name} {rows} × {dim}" for name, (rows, dim) in sizes.items())
            raise InputError(self.folder, expected="files of the same items", found=found)


def _served(manifest: Manifest) -> list[str]:
    """Files to check before they are opened; but for rows of users all have to be listed."""
    return [name for name in SERVED_FILES if name in manifest.files or name != USER_INPUTS_FILE]
