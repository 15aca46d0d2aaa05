"""Write the user tower of a model as files that serving can run without torch or Towerflow."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim, ExportedProgram

from towerflow.interactions.histories import ItemLists
from towerflow.models.reads import Reads
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.serving_tower import ServingTower, serving_tower
from towerflow.retrieval.user_tower import (
    ITEM_INPUTS_FILE,
    ONNX_FILE,
    PROGRAM_FILE,
    READS,
    USER_INPUTS_FILE,
    USER_VECTORS,
    UserTower,
)

MAX_DIFFERENCE: Final = 1e-5
ROWS_AT_ONCE: Final = 8192  # bounds the memory of the export, not the result
LARGEST_INDEX: Final = 2**24  # of an item: some towers get it as a float32, exact up to here
HISTORY_WITHOUT_LIMIT: Final = 50  # items, to compare towers with that read all
BATCH: Final = Dim("batch", min=1)
# Of the inputs of a graph, in their order.
DYNAMIC: Final = ({0: BATCH, 1: Dim("length", min=1)}, {0: BATCH}, {0: BATCH})


@torch.no_grad()
def export_user_tower(
    model: RetrievalModel, embeddings: Tensor, num_users: int, folder: Path
) -> float:
    """Write the user tower of `model` into an existing `folder`, and run it from there.

    Args:
        model: over the catalogue and the users of the release, on the CPU.
        embeddings: `[num_items, embedding_dim]` of that catalogue.
        num_users: of the release.
        folder: gets `item_inputs.npy`, `user_tower.onnx` and `user_tower.pt2`, and
            `user_inputs.npy` of a model that knows users.

    Returns:
        The largest difference between a number of a vector by the files and by the model, over
        the vector's length if that is more than 1.

    Raises:
        RuntimeError: it is more than MAX_DIFFERENCE.
    """
    assert len(embeddings) <= LARGEST_INDEX, "more items than a float32 can count"
    tower = serving_tower(model)
    _write_item_inputs(tower, embeddings, folder / ITEM_INPUTS_FILE)
    if tower.user_inputs is not None:
        assert len(tower.user_inputs) == num_users, "the model is over these users"
        np.save(folder / USER_INPUTS_FILE, tower.user_inputs.numpy(), allow_pickle=False)
    program = _traced(tower, tower.item_inputs(torch.zeros(1, dtype=torch.long), embeddings))
    torch.export.save(program, folder / PROGRAM_FILE)
    _write_onnx(program, tower.reads, folder / ONNX_FILE)
    difference = _largest_difference(model, embeddings, num_users, folder)
    if not difference <= MAX_DIFFERENCE:
        raise RuntimeError(
            f"the user tower of {model.kind} as exported is {difference:.1e} away from the model, "
            f"more than {MAX_DIFFERENCE:.0e}"
        )
    return difference


def _write_item_inputs(tower: ServingTower, embeddings: Tensor, path: Path) -> None:
    items = torch.arange(len(embeddings))
    width = tower.item_inputs(items[:1], embeddings).shape[1]
    rows = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), (len(items), width))
    for block in torch.split(items, ROWS_AT_ONCE):
        rows[int(block[0]) : int(block[-1]) + 1] = tower.item_inputs(block, embeddings).numpy()
    rows.flush()


def _traced(tower: ServingTower, row: Tensor) -> ExportedProgram:
    """The graph for any number of histories of any length; `row` `[1, width]` is of some item."""
    inputs = [row.expand(2, 3, -1).clone(), torch.tensor([3, 1])]  # 0 and 1 would be constants
    if tower.user_inputs is not None:
        inputs.append(torch.zeros(2, tower.user_inputs.shape[1]))
    shapes = DYNAMIC[: len(inputs)]
    program = torch.export.export(tower.graph, tuple(inputs), dynamic_shapes=shapes)
    program.example_inputs = None  # they would be pickled
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def _write_onnx(program: ExportedProgram, reads: tuple[Reads, ...], path: Path) -> None:
    shapes = DYNAMIC[: len(program.graph_signature.user_inputs)]  # for their names alone
    with _quiet_exporter():
        made = torch.onnx.export(
            program, dynamic_shapes=shapes, output_names=[USER_VECTORS], verbose=False
        )
    assert made is not None, "made from an ExportedProgram"
    model = made.model_proto
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")  # where in the source it comes from, by path
    onnx.helper.set_model_props(model, {READS: json.dumps([asdict(one) for one in reads])})
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without what the exporter says of packages that aren't there and of its own code."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def _largest_difference(
    model: RetrievalModel, embeddings: Tensor, num_users: int, folder: Path
) -> float:
    """As ONNX Runtime runs the files: see `export_user_tower`."""
    tower = UserTower.open(folder)
    random = np.random.default_rng(0)
    limits = [reads.max_history or HISTORY_WITHOUT_LIMIT for reads in tower.reads]
    histories = _sample(random, tower.num_items, 2 * max(limits))
    lists = ItemLists.from_lists(histories)
    found = [tower.vectors(histories)]
    expected = [model.user_vectors(lists, embeddings)]
    if tower.knows_users and num_users:
        users = random.integers(num_users, size=len(lists))
        found.append(tower.vectors(histories, users))
        expected.append(model.user_vectors(replace(lists, user_index=users), embeddings))
    right = torch.cat(expected).double().numpy()
    lengths = np.linalg.norm(right, axis=1, keepdims=True)
    return float((np.abs(np.concatenate(found) - right) / np.maximum(lengths, 1)).max())


def _sample(random: np.random.Generator, num_items: int, longest: int) -> list[NDArray[np.int64]]:
    """Histories without anything, of one item, of one many times, and of up to `longest` items."""
    lengths = [0, 1, longest, *random.integers(1, longest, size=5)]
    histories = [random.integers(num_items, size=length) for length in lengths]
    return [*histories, np.repeat(random.integers(num_items, size=3), 2)]
