"""`train`: a recipe, a Dataset and its embeddings to a RetrievalModel."""

from pathlib import Path
from typing import Final

import torch
from pydantic import JsonValue
from torch import Tensor

from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.protocol import PRIMARY_METRIC, task
from towerflow.interactions.dataset import Dataset
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import save_model
from towerflow.models.learn import LearnConfig
from towerflow.models.popularity import Popularity, PopularityConfig
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.progress import progress
from towerflow.recipes import Recipe, load_recipe
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact
from towerflow.training.train_learn import Epoch, train_learn

STEP: Final = "train"


def train(dataset: Path, item_embeddings: Path, recipe: str, model: Path) -> None:
    """Fit the recipe's model on the TRAIN split, choosing by the VALIDATION split.

    Args:
        dataset: the Dataset.
        item_embeddings: ItemEmbeddings of that Dataset.
        recipe: name of a recipe, or the YAML text of one.
        model: where the RetrievalModel is written.

    Raises:
        InputError: an unknown or invalid recipe, or embeddings of another Dataset.
    """
    chosen = load_recipe(recipe)
    data = Dataset.open(dataset)
    content = ItemEmbeddings.open_for(item_embeddings, data.content_hash, data.num_items)
    fitted, curve = fit(chosen, data, content.embeddings)
    with new_artifact(model, ArtifactKind.RETRIEVAL_MODEL, STEP) as draft:
        save_model(fitted, draft.folder)
        draft.counts = {
            "parameters": sum(tensor.numel() for tensor in fitted.tensors().values()),
            "epochs": len(curve),
        }
        draft.details = {
            **content.encoder.as_details(),
            "recipe": recipe if ":" not in recipe else "own",
            "settings": chosen.model_dump(mode="json"),
            "curve": [_as_json(epoch) for epoch in curve],
        }
        draft.inputs = {"dataset": data.content_hash, "item_embeddings": content.content_hash}


def fit(recipe: Recipe, dataset: Dataset, embeddings: Tensor) -> tuple[RetrievalModel, list[Epoch]]:
    """The recipe's model, and its training curve where it has one."""
    histories = dataset.lists(Split.TRAIN)
    match recipe.model:
        case PopularityConfig():
            return Popularity.fit(histories, dataset.num_items), []
        case ContentMeanConfig() as config:
            return ContentMean.fit(embeddings, config), []
        case LearnConfig() as config:
            torch.use_deterministic_algorithms(mode=True)
            with progress("train", recipe.training.epochs, "epochs") as advance:
                return train_learn(
                    config,
                    recipe.training,
                    embeddings,
                    histories,
                    task(dataset, Split.VALIDATION),
                    on_epoch=lambda epoch: advance(1, _as_note(epoch)),
                )


def _as_note(epoch: Epoch) -> str:
    return f"loss {epoch.loss:.3f}, validation {PRIMARY_METRIC} {epoch.validation:.4f}"


def _as_json(epoch: Epoch) -> JsonValue:
    return {"epoch": epoch.number, "loss": epoch.loss, PRIMARY_METRIC: epoch.validation}
