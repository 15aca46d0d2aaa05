"""The user tower of a release, run without torch: rows of items from a file, an ONNX graph."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray, ItemLists
from towerflow.models.reads import Reads
from towerflow.retrieval.onnx_runtime import onnxruntime
from towerflow.retrieval.rows_file import Floats, open_rows

ITEM_INPUTS: Final = "item_inputs"
LENGTHS: Final = "lengths"
USER_INPUTS: Final = "user_inputs"
USER_VECTORS: Final = "user_vectors"
READS: Final = "reads"  # among the properties of the ONNX model

ITEM_INPUTS_FILE: Final = "item_inputs.npy"
USER_INPUTS_FILE: Final = "user_inputs.npy"
ONNX_FILE: Final = "user_tower.onnx"
PROGRAM_FILE: Final = "user_tower.pt2"

STRANGER: Final = -1
NUMBERS_AT_ONCE: Final = 2**22  # bounds the memory of a call, not the result


@dataclass(frozen=True)
class UserTower:
    """Vectors of users from what they took.

    Attributes:
        dim: length of a vector.
        item_inputs: `[num_items, width]` what the graph reads of each item.
        user_inputs: `[num_users, dim + 1]` what it reads of each user, if it knows users.
        session: the graph.
        reads: what of a history counts; several of a blend.
    """

    dim: int
    item_inputs: Floats
    user_inputs: Floats | None
    session: onnxruntime.InferenceSession
    reads: tuple[Reads, ...]

    @classmethod
    def open(cls, folder: Path, num_threads: int = 0) -> Self:
        """Open the tower in `folder`; rows stay on disk until they are asked for.

        Args:
            folder: of a release.
            num_threads: that one call may use; 0: as many as there are cores.

        Raises:
            InputError: a file is missing, broken, or doesn't fit the others.
        """
        path = folder / ONNX_FILE
        session = _open_session(path, num_threads)
        inputs = {one.name: one.shape for one in session.get_inputs()}
        outputs = {one.name: one.shape for one in session.get_outputs()}
        if not {ITEM_INPUTS, LENGTHS} <= inputs.keys() or USER_VECTORS not in outputs:
            raise InputError(
                path,
                expected=f"a graph from {ITEM_INPUTS} and {LENGTHS} to {USER_VECTORS}",
                found=f"one from {', '.join(inputs)} to {', '.join(outputs)}",
            )
        users = None
        if USER_INPUTS in inputs:
            users = _open_rows(folder / USER_INPUTS_FILE, inputs[USER_INPUTS][-1])
        items = _open_rows(folder / ITEM_INPUTS_FILE, inputs[ITEM_INPUTS][-1])
        return cls(outputs[USER_VECTORS][-1], items, users, session, _reads_of(path, session))

    @property
    def num_items(self) -> int:
        """Items that a history may hold, by index."""
        return len(self.item_inputs)

    @property
    def knows_users(self) -> bool:
        """Whether it matters who asks."""
        return self.user_inputs is not None

    def vectors(
        self, histories: Sequence[Sequence[int] | IntArray], users: IntArray | None = None
    ) -> Floats:
        """The vector of each history.

        Args:
            histories: item indices, oldest first.
            users: `[num_histories]` who they are, STRANGER for nobody that is known; None:
                strangers. Nothing to a tower that knows no users.

        Returns:
            `[num_histories, dim]`.

        Raises:
            InputError: an item or a user that isn't there.
        """
        lists = ItemLists.from_lists(histories)
        _require_within("a history", "items", lists.items, 0, self.num_items)
        lists = self._without_the_unread(lists)
        vectors = np.empty((len(lists), self.dim), dtype=np.float32)
        of_users = self._rows_of(users, len(lists))
        for block in self._blocks(lists.lengths):
            inputs = self._inputs_of(lists.take(block))
            if of_users is not None:
                inputs[USER_INPUTS] = of_users[block]
            (vectors[block],) = self.session.run([USER_VECTORS], inputs)
        return vectors

    def _without_the_unread(self, lists: ItemLists) -> ItemLists:
        """The same to the graph, which would pass over the rest: it needn't be fetched."""
        needed = np.zeros(len(lists.items), dtype=bool)
        for reads in self.reads:
            is_read = np.asarray(self.item_inputs[lists.items, reads.flag] > 0)
            if reads.max_history is not None:
                is_recent = lists.where(is_read).positions_from_end() < reads.max_history
                is_read[is_read] = is_recent
            needed |= is_read
        return lists.where(needed)

    def _blocks(self, lengths: IntArray) -> Iterator[IntArray]:
        """Which histories to run together: of like length, and not too many."""
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            longest = max(int(lengths[order[start]]), 1)
            numbers = longest * (self.item_inputs.shape[1] + longest) + self.dim
            block = order[start : start + max(NUMBERS_AT_ONCE // numbers, 1)]
            start += len(block)
            yield block

    def _inputs_of(self, lists: ItemLists) -> dict[str, Floats | IntArray]:
        items = lists.padded(0)
        if not items.shape[1]:  # nobody took anything, and the graph wants a place
            items = np.zeros((len(lists), 1), dtype=np.int64)
        return {ITEM_INPUTS: np.asarray(self.item_inputs[items]), LENGTHS: lists.lengths}

    def _rows_of(self, users: IntArray | None, count: int) -> Floats | None:
        """`[count, dim + 1]`, zeros for strangers."""
        if self.user_inputs is None:
            return None
        rows = np.zeros((count, self.user_inputs.shape[1]), dtype=np.float32)
        if users is not None:
            assert len(users) == count, "a user to each history"
            _require_within("users", "users", users, STRANGER, len(self.user_inputs))
            known = users != STRANGER
            rows[known] = self.user_inputs[users[known]]
        return rows


def _open_session(path: Path, num_threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no base of theirs
        raise InputError(path, expected="an ONNX model", found=str(error)) from error


def _open_rows(path: Path, width: int) -> Floats:
    rows = open_rows(path)
    if rows.shape[1] != width:
        raise InputError(
            path, expected=f"{width} numbers a row, as {ONNX_FILE} reads", found=f"{rows.shape[1]}"
        )
    return rows


def _reads_of(path: Path, session: onnxruntime.InferenceSession) -> tuple[Reads, ...]:
    text = session.get_modelmeta().custom_metadata_map.get(READS, "")
    try:
        return tuple(Reads(**one) for one in json.loads(text))
    except (ValueError, TypeError) as error:
        raise InputError(
            path, field=READS, expected="what is read of a history", found=f"'{text}'"
        ) from error


def _require_within(where: str, what: str, indices: IntArray, least: int, count: int) -> None:
    wrong = indices[(indices < least) | (indices >= count)]
    if len(wrong):
        raise InputError(
            where, expected=f"{what} from {least} to {count - 1}", found=str(int(wrong[0]))
        )
