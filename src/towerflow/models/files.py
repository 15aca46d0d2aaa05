"""The RetrievalModel artifact: `config.json` + `model.safetensors`."""

import json
from pathlib import Path
from typing import Final

from safetensors.torch import load_file, save_file

from towerflow.errors import InputError
from towerflow.models.content_mean import ContentMean
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel

CONFIG_FILE: Final = "config.json"
TENSORS_FILE: Final = "model.safetensors"
MODELS: Final[dict[str, type[RetrievalModel]]] = {
    model.kind: model for model in (Learn, Popularity, ContentMean)
}


def save_model(model: RetrievalModel, folder: Path) -> None:
    """Write `model` into an existing `folder`."""
    config = json.dumps(model.config(), indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(config + "\n", "utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.tensors().items()},
        folder / TENSORS_FILE,
    )


def load_model(folder: Path) -> RetrievalModel:
    """Read the model in `folder`, ready to score.

    Raises:
        InputError: the model is of a kind that this version does not know.
    """
    config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
    kind = config.get("kind")
    if kind not in MODELS:
        raise InputError(
            folder / CONFIG_FILE, field="kind", expected=" or ".join(MODELS), found=str(kind)
        )
    return MODELS[kind].restore(config, load_file(folder / TENSORS_FILE))
