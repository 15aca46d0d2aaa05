"""`evaluate`: how good the model is on the test split, beside two baselines, as data and report."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from towerflow import schema
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.evaluation.collapse import spectra
from towerflow.evaluation.metrics_file import METRICS_FILE, PER_USER_FILE, EvaluationMetrics
from towerflow.evaluation.protocol import (
    CUTOFFS,
    PRIMARY_METRIC,
    Result,
    Task,
    evaluate_model,
    task,
)
from towerflow.evaluation.report import render_report
from towerflow.evaluation.slices import slice_metrics
from towerflow.evaluation.training_record import TrainingRecord
from towerflow.interactions.dataset import Dataset
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import load_model_for
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.files import write_text

STEP: Final = "evaluate"


def evaluate(
    dataset: Path,
    item_embeddings: Path,
    model: Path,
    metrics: Path,
    report: Path,
    *,
    hide_history: bool = True,
) -> dict[str, float]:
    """Rank the whole catalogue for each test user, and measure.

    Args:
        dataset: the Dataset.
        item_embeddings: ItemEmbeddings of that Dataset.
        model: the RetrievalModel.
        metrics: where the Metrics artifact is written: `metrics.json`, `per_user.parquet`.
        report: the HTML file to write.
        hide_history: leave out of the ranking what the user has taken before.

    Returns:
        The model's metrics by name, for the UI.

    Raises:
        InputError: nobody to test on, artifacts that don't belong together, or a model that was
            not written by `train`.
    """
    data = Dataset.open(dataset)
    content = ItemEmbeddings.open_for(item_embeddings, data.content_hash, data.num_items)
    model_manifest = open_artifact(model, ArtifactKind.RETRIEVAL_MODEL)
    record = TrainingRecord.of_model(model, model_manifest)
    candidate = load_model_for(model, data.item_ids, data.user_ids)
    test = task(data, Split.TEST, hide_history=hide_history)
    if not len(test.users):
        raise InputError(
            dataset, expected=f"users to test on (split {data.split_kind})", found="none"
        )
    degrees = np.bincount(data.lists(Split.TRAIN).items, minlength=data.num_items)
    baselines: dict[str, RetrievalModel] = {
        "popularity": Popularity.fit(data.lists(Split.TRAIN), data.num_items),
        "content_mean": ContentMean.fit(content.embeddings, ContentMeanConfig()),
    }
    result = evaluate_model(candidate, content.embeddings, test, CUTOFFS)
    measured = EvaluationMetrics(
        primary_metric=PRIMARY_METRIC,
        protocol="full ranking of the catalogue, history "
        f"{'hidden' if hide_history else 'ranked too'}, split {data.split_kind}",
        num_users=len(test.users),
        num_items=data.num_items,
        model=result.means(),
        baselines={
            name: evaluate_model(baseline, content.embeddings, test, CUTOFFS).means()
            for name, baseline in baselines.items()
        },
        slices=slice_metrics(candidate, content.embeddings, test, result, degrees),
        spectra=spectra(candidate, content.embeddings, data.has_text, degrees),
        serves_new_items=candidate.serves_new_items,
        dataset=data.content_hash,
    )
    page = render_report(data, test, result, measured, model_manifest)
    with new_artifact(metrics, ArtifactKind.METRICS, STEP) as draft:
        (draft.folder / METRICS_FILE).write_text(measured.model_dump_json(indent=2) + "\n", "utf-8")
        pq.write_table(_per_user(data, test, result), draft.folder / PER_USER_FILE)
        draft.counts = {"users": len(test.users)}
        draft.details = record.as_details()
        draft.inputs = {
            "dataset": data.content_hash,
            "item_embeddings": content.content_hash,
            "model": model_manifest.content_hash,
        }
        write_text(report, page)
    print(f"towerflow: {record.title}: {PRIMARY_METRIC} {measured.primary:.4f}", flush=True)
    return measured.model


def _per_user(data: Dataset, test: Task, result: Result) -> pa.Table:
    columns = {
        schema.USER_INDEX: pa.array(test.users, pa.int64()),
        schema.USER_ID: pa.array([data.user_ids[user] for user in test.users], pa.string()),
    }
    values = {name: pa.array(values, pa.float64()) for name, values in result.per_user.items()}
    return pa.table({**columns, **values})
