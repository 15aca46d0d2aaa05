"""The RetrievalModel artifact: `config.json`, `model.safetensors` and `item_ids.parquet`.

A model that knows users has `user_ids.parquet` too.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray
from towerflow.models.blend import Blend
from towerflow.models.content_mean import ContentMean
from towerflow.models.graph_cf import GraphCF
from towerflow.models.item_to_item import ItemToItem
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec
from towerflow.schema import ITEM_ID, USER_ID

CONFIG_FILE: Final = "config.json"
TENSORS_FILE: Final = "model.safetensors"
ITEM_IDS_FILE: Final = "item_ids.parquet"
USER_IDS_FILE: Final = "user_ids.parquet"
MODELS: Final[dict[str, type[RetrievalModel]]] = {
    model.kind: model
    for model in (Blend, Learn, SASRec, GraphCF, ItemToItem, Popularity, ContentMean)
}


def save_model(
    model: RetrievalModel, item_ids: Sequence[str], folder: Path, user_ids: Sequence[str] = ()
) -> None:
    """Write `model` of the catalogue `item_ids` into an existing `folder`.

    `user_ids` are kept only by a model that knows users.
    """
    _write_ids(folder / ITEM_IDS_FILE, ITEM_ID, item_ids)
    if isinstance(model, GraphCF):
        _write_ids(folder / USER_IDS_FILE, USER_ID, user_ids)
    config = json.dumps(model.config(), indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(config + "\n", "utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.tensors().items()},
        folder / TENSORS_FILE,
    )


def load_model_for(
    folder: Path, item_ids: Sequence[str], user_ids: Sequence[str] = ()
) -> RetrievalModel:
    """Read the model in `folder` to use it over the catalogue `item_ids`, for `user_ids`.

    Raises:
        InputError: the model is of a kind or a form that this version does not know.
    """
    model = load_model(folder)
    trained = _read_ids(folder / ITEM_IDS_FILE, ITEM_ID)
    if trained != list(item_ids):
        model = model.for_items(_positions(item_ids, trained))
    if isinstance(model, GraphCF):
        known = _read_ids(folder / USER_IDS_FILE, USER_ID)
        if known != list(user_ids):
            model = model.for_users(_positions(user_ids, known))
    return model


def _write_ids(path: Path, column: str, ids: Sequence[str]) -> None:
    pq.write_table(pa.table({column: pa.array(ids, pa.string())}), path, compression="zstd")


def _read_ids(path: Path, column: str) -> list[str]:
    try:
        ids: list[str] = pq.read_table(path)[column].to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(
            path, expected="ids that the model was trained on", found=str(error)
        ) from error
    return ids


def _positions(ids: Sequence[str], trained: Sequence[str]) -> IntArray:
    """`[len(ids)]` place of each id in `trained`, -1 where it isn't there."""
    position = {known: index for index, known in enumerate(trained)}
    return np.array([position.get(one, -1) for one in ids], dtype=np.int64)


def load_model(folder: Path) -> RetrievalModel:
    """Read the model in `folder`, ready to score.

    Raises:
        InputError: the model is of a kind or a form that this version does not know.
    """
    config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
    kind = config.get("kind")
    if kind not in MODELS:
        raise InputError(
            folder / CONFIG_FILE, field="kind", expected=" or ".join(MODELS), found=str(kind)
        )
    try:
        return MODELS[kind].restore(config, load_file(folder / TENSORS_FILE))
    except (KeyError, ValidationError, RuntimeError) as error:  # the last: tensors of other sizes
        raise InputError(
            folder, expected=f"a {kind} of this version of Towerflow", found=str(error)
        ) from error
