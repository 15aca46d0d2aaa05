"""`train`: a recipe, a Dataset and its embeddings to a RetrievalModel."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from towerflow import __version__
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.evaluation.protocol import PRIMARY_METRIC
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.trained_on import TrainedOn
from towerflow.models.files import load_model, save_model
from towerflow.models.graph_cf import GraphCF
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.progress import progress
from towerflow.recipes import Recipe, load_recipe
from towerflow.retrieval.release import MODEL_FOLDER
from towerflow.schema import TOOK, ArtifactKind, Manifest
from towerflow.storage.artifact import (
    local_artifact,
    new_artifact,
    read_manifest,
    require_replaceable,
)
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.fit import Fitting, fit
from towerflow.training.launch import in_processes, num_processes
from towerflow.training.ranks import Ranks

STEP: Final = "train"


def train(
    dataset: Path,
    item_embeddings: Path,
    recipe: str,
    seed: int,
    initial_model: str,
    checkpoints: str,
    model: Path,
) -> None:
    """Fit the recipe's model on the TRAIN split, choosing by the VALIDATION split.

    On a machine with several GPUs a process on each trains the model, if it is one that processes
    can share; under `torchrun` those that it started do. The first of them writes the model.

    Args:
        dataset: the Dataset.
        item_embeddings: ItemEmbeddings of that Dataset.
        recipe: name of a recipe, or the YAML text of one.
        seed: in place of the recipe's; -1: the recipe's own.
        initial_model: RetrievalModel, Index or release whose weights training starts from; empty:
            from scratch.
        checkpoints: local or `gs://` folder where an interrupted run leaves its state and an equal
            run finds it; empty: nowhere.
        model: where the RetrievalModel is written.

    Raises:
        InputError: an unknown or invalid recipe, a seed below -1, something else in the place of
            the model, embeddings of another Dataset, or an initial model that fits neither recipe
            nor embeddings.
        TrainingProcessFailed: one of several processes did.
    """
    chosen = load_recipe(recipe, seed)
    require_replaceable(model, ArtifactKind.RETRIEVAL_MODEL)  # not after hours
    if (count := num_processes(chosen)) > 1:
        # As one of several, num_processes is 1: this same function goes on there.
        in_processes(
            count, train, dataset, item_embeddings, recipe, seed, initial_model, checkpoints, model
        )
        return
    data = Dataset.open(dataset)
    content = ItemEmbeddings.open_for(item_embeddings, data.content_hash, data.num_items)
    inputs = {"dataset": data.content_hash, "item_embeddings": content.content_hash}
    initial, trained_before = None, None
    if initial_model:
        initial, made = _open_initial(initial_model, content.encoder)
        inputs["initial_model"] = made.content_hash
        trained_before = TrainedOn.of(initial_model, made.details)
    checkpoint = _checkpoint(checkpoints, chosen, inputs) if checkpoints else None
    is_first = Ranks.current().rank == 0
    started = time.monotonic()
    with _account(chosen.num_epochs) if is_first else nullcontext(_in_silence) as on_epoch:
        on = Fitting(data, content.embeddings, initial, checkpoint, on_epoch)
        fitted, curves = fit(chosen, on)
    seconds = time.monotonic() - started
    if not is_first:
        return
    with new_artifact(model, ArtifactKind.RETRIEVAL_MODEL, STEP) as draft:
        save_model(fitted, data.item_ids, draft.folder, data.user_ids)
        draft.counts = _counts(fitted, curves)
        draft.details = {
            **content.encoder.as_details(),
            **TrainedOn.made_of(data, trained_before).as_details(),
            "recipe": recipe if ":" not in recipe else "own",
            "seed": seed,
            "settings": chosen.model_dump(mode="json"),
            "curves": {name: list(map(_as_json, curve)) for name, curve in curves.items()},
            TOOK: {"seconds": round(seconds, 3)},
        }
        draft.inputs = inputs
    if not fitted.serves_new_items:
        _note_on_new_items(fitted)
    if checkpoint:
        checkpoint.delete(num_parts=len(curves))


def _open_initial(source: str, encoder: EncoderRecord) -> tuple[RetrievalModel, Manifest]:
    """The model in an artifact that is one or has one, and the artifact's manifest."""
    manifest = read_manifest(source)
    kind = manifest.kind
    if kind not in (ArtifactKind.RETRIEVAL_MODEL, ArtifactKind.INDEX, ArtifactKind.RELEASE):
        raise InputError(source, expected="a RetrievalModel, an Index or a release", found=kind)
    trained = EncoderRecord.of(source, manifest.details)
    if trained.fingerprint != encoder.fingerprint:
        raise InputError(
            source,
            expected=f"a model that was trained on embeddings of {encoder.name}, as they are here",
            found=f"one of {trained.name} with other weights or settings",
        )
    within = "" if kind == ArtifactKind.RETRIEVAL_MODEL else f"{MODEL_FOLDER}/"
    needed = [name for name in manifest.files if name.startswith(within)]
    with local_artifact(source, kind, needed) as folder:
        return load_model(folder / within), manifest


def _checkpoint(folder: str, recipe: Recipe, inputs: dict[str, str]) -> Checkpoint:
    """Where the state of a run with these inputs is kept, whichever pod runs it."""
    settings = recipe.model_dump(mode="json", exclude={"description"})
    run = json.dumps([__version__, Ranks.current().num_ranks, settings, inputs], sort_keys=True)
    name = hashlib.sha256(run.encode()).hexdigest()[:16]
    return Checkpoint(f"{folder.rstrip('/')}/{name}.safetensors")


def _counts(fitted: RetrievalModel, curves: Mapping[str, Sequence[Epoch]]) -> dict[str, int]:
    """What the manifest counts."""
    return {
        "parameters": sum(tensor.numel() for tensor in fitted.tensors().values()),
        "epochs": sum(map(len, curves.values())),
        **(fitted.fallbacks if isinstance(fitted, GraphCF) else {}),
    }


def _note_on_new_items(fitted: RetrievalModel) -> None:
    print(
        f"towerflow: note: a {fitted.kind} knows items by their id alone; those that come "
        "after training score alike",
        flush=True,
    )


@contextmanager
def _account(num_epochs: int) -> Iterator[Callable[[Epoch], None]]:
    """What shows the epochs as they end."""
    with progress("train", num_epochs, "epochs") as advance:
        yield lambda epoch: advance(1, _as_note(epoch))


def _in_silence(epoch: Epoch) -> None:
    """One of the processes tells of the epochs, this one does not."""


def _as_note(epoch: Epoch) -> str:
    return f"loss {epoch.loss:.3f}, validation {PRIMARY_METRIC} {epoch.validation:.4f}"


def _as_json(epoch: Epoch) -> JsonValue:
    return {"epoch": epoch.number, "loss": epoch.loss, PRIMARY_METRIC: epoch.validation}
