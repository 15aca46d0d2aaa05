"""The RetrievalModel artifact: `config.json`, `model.safetensors` and `item_ids.parquet`."""

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
from towerflow.models.blend import Blend
from towerflow.models.content_mean import ContentMean
from towerflow.models.item_to_item import ItemToItem
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec
from towerflow.schema import ITEM_ID

CONFIG_FILE: Final = "config.json"
TENSORS_FILE: Final = "model.safetensors"
ITEM_IDS_FILE: Final = "item_ids.parquet"
MODELS: Final[dict[str, type[RetrievalModel]]] = {
    model.kind: model for model in (Blend, Learn, SASRec, ItemToItem, Popularity, ContentMean)
}


def save_model(model: RetrievalModel, item_ids: Sequence[str], folder: Path) -> None:
    """Write `model` of the catalogue `item_ids` into an existing `folder`."""
    ids = pa.table({ITEM_ID: pa.array(item_ids, pa.string())})
    pq.write_table(ids, folder / ITEM_IDS_FILE, compression="zstd")
    config = json.dumps(model.config(), indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(config + "\n", "utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.tensors().items()},
        folder / TENSORS_FILE,
    )


def load_model_for(folder: Path, item_ids: Sequence[str]) -> RetrievalModel:
    """Read the model in `folder` to use it over the catalogue `item_ids`.

    Raises:
        InputError: the model is of a kind or a form that this version does not know.
    """
    model = load_model(folder)
    try:
        trained = pq.read_table(folder / ITEM_IDS_FILE)[ITEM_ID].to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(
            folder / ITEM_IDS_FILE, expected="ids of the model's catalogue", found=str(error)
        ) from error
    if trained == list(item_ids):
        return model
    position = {item_id: index for index, item_id in enumerate(trained)}
    return model.for_items(np.array([position.get(item_id, -1) for item_id in item_ids]))


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
