"""`export_index`: everything that serving needs, in one folder."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import faiss
import numpy as np
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
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.reporting.markdown import summarise_index
from towerflow.retrieval.exports import parse_formats, write_export
from towerflow.retrieval.index_tuning import RECALL_K, IndexConfig, Queries, Tuned, tune_index
from towerflow.retrieval.item_index import INDEX, INDEX_FILE, VECTORS_FILE, ItemIndex
from towerflow.retrieval.release import HISTORIES_FILE, HISTORY, MODEL_FOLDER, VECTOR_SPACE
from towerflow.retrieval.rows_file import Floats
from towerflow.retrieval.tower_export import export_user_tower
from towerflow.retrieval.vector_space import vector_space
from towerflow.schema import TOOK, ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.files import write_text

STEP: Final = "export_index"
TOWER: Final = "user_tower"  # in the details of an Index
NUM_QUERIES: Final = 1000  # users, and items, to tune with; as many to report by
NUM_TIMED: Final = 200
SEED: Final = 0


@torch.inference_mode()
def export_index(
    dataset: Path,
    item_embeddings: Path,
    model: Path,
    index_kind: str,
    recall_target: float,
    memory_limit: int,
    export_formats: Sequence[str],
    index: Path,
    summary: Path,
) -> None:
    """Run the item tower over the catalogue and write the Index artifact.

    Args:
        dataset: the Dataset, for ids, titles and histories.
        item_embeddings: ItemEmbeddings of that Dataset.
        model: the RetrievalModel.
        index_kind: `exact`, `ivf`, `ivf_sq8`, `ivf_pq`, `hnsw`, or `auto`: exact for a small
            catalogue, else the first that finds enough by comparing few.
        recall_target: share of the 100 best of a user that the index must find.
        memory_limit: megabytes that the index may take when served; 0: any.
        export_formats: what to write beside it for other services: `parquet`, `vertex`.
        index: where the Index is written.
        summary: where is written, as Markdown, what it is and how good.

    Raises:
        InputError: the item tower gives NaN, the artifacts don't belong together, or there is no
            such index, or none that small or that good.
    """
    config = IndexConfig.parse(index_kind, recall_target, memory_limit)
    formats = parse_formats(export_formats)
    data = Dataset.open(dataset)
    content = ItemEmbeddings.open_for(item_embeddings, data.content_hash, data.num_items)
    made = open_artifact(model, ArtifactKind.RETRIEVAL_MODEL)
    _require_same(model, EncoderRecord.of(model, made.details), content.encoder)
    fitted = load_model_for(model, data.item_ids, data.user_ids)
    vectors = _item_vectors(model, fitted, content)
    queries = _queries(data, fitted, content, vectors)
    started = time.monotonic()
    tuned = tune_index(vectors, queries, config)
    took = {"build_seconds": round(time.monotonic() - started, 3), **_time(vectors, tuned, queries)}
    with new_artifact(index, ArtifactKind.INDEX, STEP) as draft:
        faiss.write_index(tuned.index, str(draft.folder / INDEX_FILE))
        np.save(draft.folder / VECTORS_FILE, vectors)
        difference = export_user_tower(fitted, content.embeddings, data.num_users, draft.folder)
        shutil.copyfile(dataset / ITEMS_FILE, draft.folder / ITEMS_FILE)
        write_embeddings(draft.folder, content.item_index, content.embeddings)
        pq.write_table(_histories(data), draft.folder / HISTORIES_FILE, compression="zstd")
        (draft.folder / MODEL_FOLDER).mkdir()
        save_model(fitted, data.item_ids, draft.folder / MODEL_FOLDER, data.user_ids)
        for form in formats:
            write_export(form, draft.folder, data.item_ids, vectors, data.item_columns)
        draft.counts = {
            "items": data.num_items,
            "users": data.num_users,
            "dim": vectors.shape[1],
        }
        draft.details = {
            **content.encoder.as_details(),
            **TrainedOn.of(model, made.details).as_details(),
            INDEX: tuned.record.model_dump(mode="json"),
            TOWER: {"largest_difference": difference},
            VECTOR_SPACE: vector_space(fitted, content.encoder),
            TOOK: {**took},
        }
        draft.inputs = {
            "dataset": data.content_hash,
            "item_embeddings": content.content_hash,
            "model": made.content_hash,
        }
        write_text(summary, summarise_index(tuned.record, len(vectors), vectors.shape[1], took))
    print(f"towerflow: index: {tuned.record.in_words}", flush=True)


def _require_same(model: Path, trained: EncoderRecord, given: EncoderRecord) -> None:
    if trained.fingerprint != given.fingerprint:
        raise InputError(
            model,
            expected=f"embeddings of the encoder that it was trained with, {trained.name}",
            found=f"those of {given.name} with other weights or settings",
        )


def _item_vectors(where: Path, model: RetrievalModel, content: ItemEmbeddings) -> Floats:
    """`[num_items, dim]`."""
    vectors: Floats = np.ascontiguousarray(model.item_vectors(content.embeddings).numpy())
    if not np.isfinite(vectors).all():
        raise InputError(where, expected="finite item vectors", found="NaN or infinity")
    return vectors


def _queries(
    data: Dataset, model: RetrievalModel, content: ItemEmbeddings, vectors: Floats
) -> Queries:
    """What will be asked: users who did anything, and items, whose like is asked for.

    Of each as many are drawn to tune with as are held out.
    """
    rng = np.random.default_rng(SEED)
    histories = data.lists(*Split)
    active = np.flatnonzero(histories.lengths)
    users = rng.choice(active, min(len(active), 2 * NUM_QUERIES), replace=False)
    asked = model.user_vectors(histories.take(users), content.embeddings).numpy()
    items = rng.choice(len(vectors), min(len(vectors), 2 * NUM_QUERIES), replace=False)
    both = asked, vectors[items]
    return Queries(
        np.concatenate([one[::2] for one in both]), np.concatenate([one[1::2] for one in both])
    )


def _time(vectors: Floats, tuned: Tuned, queries: Queries) -> dict[str, float]:
    """Milliseconds of a search, one after the other."""
    search, milliseconds = ItemIndex(vectors, tuned.index, tuned.record), []
    for query in queries.held_out[:NUM_TIMED]:
        started = time.perf_counter()
        search.search(query, min(RECALL_K, len(vectors)))
        milliseconds.append(1000 * (time.perf_counter() - started))
    if not milliseconds:
        return {}
    middle, slow = np.percentile(milliseconds, [50, 95])
    return {"search_p50_ms": round(float(middle), 3), "search_p95_ms": round(float(slow), 3)}


def _histories(data: Dataset) -> pa.Table:
    """All that each user did, test interactions too: serving continues from today.

    In order of user_id, so that one of millions is found without a table of them.
    """
    lists = data.lists(*Split)
    values = pa.ListArray.from_arrays(pa.array(lists.offsets, pa.int32()), pa.array(lists.items))
    columns = {
        schema.USER_ID: pa.array(data.user_ids, pa.string()),
        schema.USER_INDEX: pa.array(range(data.num_users), pa.int64()),
        HISTORY: values,
    }
    return pa.table(columns).sort_by(schema.USER_ID)
