"""Use a published release: recommend to a user or a history, find similar items."""

import difflib
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from towerflow import schema
from towerflow.embedding.item_embeddings import read_embeddings
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.interactions.dataset import ITEMS_FILE
from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.files import load_model
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.retrieval.releases import current_release
from towerflow.retrieval.topk import NO_ITEM, FaissTopK
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import open_artifact

INDEX_FILE: Final = "index.faiss"
HISTORIES_FILE: Final = "histories.parquet"
HISTORY: Final = "history"
MODEL_FOLDER: Final = "model"
CATALOGUE_TENSORS: Final = ("id_rows", "item_rows", "user_rows")  # what has which id


@dataclass(frozen=True)
class Item:
    """One item of a result."""

    item_id: str
    title: str
    score: float


class Release:
    """A release opened for use; `release_id` is the name of its folder.

    Args:
        folder: of one release.

    Raises:
        InputError: a file is missing or differs from its hash in the manifest.
    """

    def __init__(self, folder: Path) -> None:
        manifest = open_artifact(folder, ArtifactKind.RELEASE)
        self._encoder = EncoderRecord.of(folder, manifest.details)
        self.release_id = folder.name
        self.folder = folder
        items = pq.read_table(folder / ITEMS_FILE, schema=schema.ITEMS_SCHEMA)
        self.item_ids: list[str] = items[schema.ITEM_ID].to_pylist()
        self.titles: list[str] = items[schema.TITLE].to_pylist()
        self._position = {item_id: index for index, item_id in enumerate(self.item_ids)}
        self._model: RetrievalModel = load_model(folder / MODEL_FOLDER)
        self._embeddings: Tensor = read_embeddings(folder)[1]
        index = faiss.read_index(str(folder / INDEX_FILE))
        self._top_k = FaissTopK(index, is_exact=True)

    @classmethod
    def current(cls, root: Path) -> "Release":
        """Open the current release of a release root.

        Raises:
            InputError: nothing has been published there.
        """
        folder = current_release(root)
        if folder is None:
            raise InputError(root, expected="a release root", found="nothing published there")
        return cls(folder)

    def find_item(self, name: str) -> int:
        """Index of the item with this id, or else this title in any case.

        Raises:
            InputError: there is none; names the closest titles.
        """
        if name in self._position:
            return self._position[name]
        wanted = name.casefold()
        folded = [title.casefold() for title in self.titles]
        matches = [index for index, title in enumerate(folded) if title == wanted]
        if not matches:  # "Toy Story" is enough if only one title begins so
            matches = [index for index, title in enumerate(folded) if title.startswith(wanted)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            found = "; ".join(f"{self.titles[i]} ({self.item_ids[i]})" for i in matches[:5])
            raise InputError(
                f"item '{name}'", expected="one item", found=f"{len(matches)}: {found}"
            )
        close = difflib.get_close_matches(wanted, folded, n=3, cutoff=0.5)
        hint = "; ".join(self.titles[folded.index(title)] for title in close)
        raise InputError(
            f"item '{name}'",
            expected="an item id or a title of this release",
            found="none like it",
            hint=f"did you mean: {hint}?" if hint else "",
        )

    def user_ids(self) -> list[str]:
        """Ids of the users whose histories the release has."""
        ids: list[str] = pq.read_table(self.folder / HISTORIES_FILE)[schema.USER_ID].to_pylist()
        return ids

    def history(self, user_id: str) -> list[int]:
        """Item indices of what a known user did, oldest first.

        Raises:
            InputError: the user was not in the training data.
        """
        row = int(self._find_users([user_id])[0])
        items: list[int] = pq.read_table(self.folder / HISTORIES_FILE)[HISTORY][row].as_py()
        return items

    @torch.inference_mode()
    def recommend(self, history: Sequence[int], k: int, user_id: str = "") -> list[Item]:
        """The best `k` items after `history` (item indices, oldest first), without those in it.

        Models that know users make use of `user_id`, whom the release must know.

        Raises:
            InputError: k is larger than the catalogue, the history is empty, or the user unknown.
        """
        self._check_k(k)
        if not history:
            raise InputError("the history", expected="at least one item", found="none")
        who = self._find_users([user_id]) if user_id else None
        lists = replace(ItemLists.from_lists([history]), user_index=who)
        users = self._model.user_vectors(lists, self._embeddings)
        return self._results(users, k, lists)

    def similar(self, item: int, k: int) -> list[Item]:
        """The `k` items whose vectors are nearest to that of `item` (an item index).

        Raises:
            InputError: k is larger than the catalogue.
        """
        self._check_k(k)
        vector = torch.from_numpy(self._top_k.index.reconstruct(item)).unsqueeze(0)
        return self._results(vector, k, ItemLists.from_lists([[item]]))

    def vector_space(self) -> str:
        """Hash of what makes vectors comparable: two releases of one model have the same.

        Which items there are is no part of it, so that a refreshed release keeps it.
        """
        settings = json.dumps(self._model.config(), sort_keys=True)
        digest = hashlib.sha256(f"{self._encoder.fingerprint} {settings}".encode())
        for name, tensor in sorted(self._model.tensors().items()):
            if not name.endswith(CATALOGUE_TENSORS):
                digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def item_positions(self, item_ids: Sequence[str]) -> IntArray:
        """Index of each item, -1 where the release has none of that id."""
        return np.array([self._position.get(item_id, -1) for item_id in item_ids], dtype=np.int64)

    def item_vectors(self) -> Tensor:
        """`[num_items, dim]`."""
        index = self._top_k.index
        return torch.from_numpy(index.reconstruct_n(0, index.ntotal))

    def known_users(self, user_ids: Collection[str]) -> list[str]:
        """Those of `user_ids` whose histories the release has, in its order."""
        wanted = set(user_ids)
        return [user_id for user_id in self.user_ids() if user_id in wanted]

    @torch.inference_mode()
    def user_vectors(self, user_ids: Sequence[str]) -> Tensor:
        """`[num_users, dim]` of users whom the release knows, after all that they did."""
        rows = self._find_users(user_ids)
        histories = pq.read_table(self.folder / HISTORIES_FILE)[HISTORY].take(pa.array(rows))
        lists = replace(ItemLists.from_lists(histories.to_pylist()), user_index=rows)
        return self._model.user_vectors(lists, self._embeddings)

    def _find_users(self, user_ids: Sequence[str]) -> IntArray:
        """`[num_users]` where each stands in the release.

        Raises:
            InputError: one of them does not.
        """
        known = pq.read_table(self.folder / HISTORIES_FILE, columns=[schema.USER_ID])
        rows = pc.index_in(pa.array(user_ids, pa.string()), known[schema.USER_ID])
        if rows.null_count:
            unknown = user_ids[rows.is_null().to_pylist().index(True)]
            raise InputError(
                f"user '{unknown}'", expected="a user of this release", found="nobody of that id"
            )
        found: IntArray = rows.to_numpy().astype(np.int64)
        return found

    def _check_k(self, k: int) -> None:
        if not 0 < k <= len(self.item_ids):
            raise InputError(
                "k", expected=f"a number from 1 to the {len(self.item_ids)} items", found=str(k)
            )

    def _results(self, users: Tensor, k: int, exclude: ItemLists) -> list[Item]:
        top = self._top_k.search(users, k, exclude)
        pairs = zip(top.items[0], np.asarray(top.scores[0], dtype=float), strict=True)
        return [
            Item(self.item_ids[index], self.titles[index], score)
            for index, score in pairs
            if index != NO_ITEM
        ]
