"""`export_index`: everything that serving needs, in one folder."""

import shutil
from pathlib import Path
from typing import Final

import faiss
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from towerflow import schema
from towerflow.embedding.item_embeddings import ItemEmbeddings, write_embeddings
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.interactions.dataset import ITEMS_FILE, Dataset
from towerflow.interactions.trained_on import TrainedOn
from towerflow.models.files import load_model_for, save_model
from towerflow.retrieval.release import HISTORIES_FILE, HISTORY, INDEX_FILE, MODEL_FOLDER
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, open_artifact

STEP: Final = "export_index"


@torch.inference_mode()
def export_index(dataset: Path, item_embeddings: Path, model: Path, index: Path) -> None:
    """Run the item tower over the catalogue and write the Index artifact.

    Args:
        dataset: the Dataset, for ids, titles and histories.
        item_embeddings: ItemEmbeddings of that Dataset.
        model: the RetrievalModel.
        index: where the Index is written.

    Raises:
        InputError: the item tower gives NaN, or the artifacts don't belong together.
    """
    data = Dataset.open(dataset)
    content = ItemEmbeddings.open_for(item_embeddings, data.content_hash, data.num_items)
    made = open_artifact(model, ArtifactKind.RETRIEVAL_MODEL)
    _require_same(model, EncoderRecord.of(model, made.details), content.encoder)
    fitted = load_model_for(model, data.item_ids, data.user_ids)
    vectors = fitted.item_vectors(content.embeddings)
    if not torch.isfinite(vectors).all():
        raise InputError(model, expected="finite item vectors", found="NaN or infinity")
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors.numpy())
    with new_artifact(index, ArtifactKind.INDEX, STEP) as draft:
        faiss.write_index(flat, str(draft.folder / INDEX_FILE))
        shutil.copyfile(dataset / ITEMS_FILE, draft.folder / ITEMS_FILE)
        write_embeddings(draft.folder, content.item_index, content.embeddings)
        pq.write_table(_histories(data), draft.folder / HISTORIES_FILE, compression="zstd")
        (draft.folder / MODEL_FOLDER).mkdir()
        save_model(fitted, data.item_ids, draft.folder / MODEL_FOLDER, data.user_ids)
        draft.counts = {
            "items": data.num_items,
            "users": data.num_users,
            "dim": vectors.shape[1],
        }
        draft.details = {
            **content.encoder.as_details(),
            **TrainedOn.of(model, made.details).as_details(),
            "search": "exact inner product",
        }
        draft.inputs = {
            "dataset": data.content_hash,
            "item_embeddings": content.content_hash,
            "model": made.content_hash,
        }


def _require_same(model: Path, trained: EncoderRecord, given: EncoderRecord) -> None:
    if trained.fingerprint != given.fingerprint:
        raise InputError(
            model,
            expected=f"embeddings of the encoder that it was trained with, {trained.name}",
            found=f"those of {given.name} with other weights or settings",
        )


def _histories(data: Dataset) -> pa.Table:
    """All that each user did, test interactions too: serving continues from today."""
    lists = data.lists(*Split)
    values = pa.ListArray.from_arrays(pa.array(lists.offsets, pa.int32()), pa.array(lists.items))
    return pa.table({schema.USER_ID: pa.array(data.user_ids, pa.string()), HISTORY: values})
