"""`evaluate`: how good the model is on the test split, beside baselines and champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow import schema
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.evaluation.assessment import HeldOut, Judged, as_if_new, judge, slice_all
from towerflow.evaluation.collapse import ITEM_VECTORS, spectra
from towerflow.evaluation.live_model import LiveModel, live_model
from towerflow.evaluation.metrics_file import (
    CHAMPION,
    METRICS_FILE,
    PER_USER_FILE,
    SUMMARY_FILE,
    ChampionMetrics,
    EvaluationMetrics,
)
from towerflow.evaluation.protocol import PRIMARY_METRIC, task
from towerflow.evaluation.resampling import Change, Interval
from towerflow.evaluation.spectrum import Spectrum
from towerflow.evaluation.training_record import TrainingRecord
from towerflow.evaluation.vector_health import vector_health
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.trained_on import TrainedOn
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import load_model_for
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.reporting.markdown import summarise
from towerflow.reporting.report import render_report
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, open_artifact
from towerflow.storage.files import write_text

STEP: Final = "evaluate"
SAMPLED_WARNING: Final = (
    "with drawn items these figures can order models wrongly and can't stand beside figures of "
    "full ranking; the gate stays closed"
)
IN_THE_UI: Final = ("recall@10", "ndcg@10", "recall@50", "ndcg@50", "mrr@10", "coverage@10")


def evaluate(
    dataset: Path,
    item_embeddings: Path,
    model: Path,
    metrics: Path,
    report: Path,
    *,
    release_root: str = "",
    hide_history: bool = True,
    sampled_negatives: int = 0,
) -> dict[str, float]:
    """Rank the whole catalogue for each test user, and measure.

    Args:
        dataset: the Dataset.
        item_embeddings: ItemEmbeddings of that Dataset.
        model: the RetrievalModel.
        metrics: where the Metrics artifact is written: `metrics.json`, `per_user.parquet` and
            `summary.md`.
        report: the HTML file to write.
        release_root: where releases are published; the live one's model is scored on the same test.
            Empty: none is.
        hide_history: leave out of the ranking what the user has taken before.
        sampled_negatives: rank only so many drawn items beside those to be found; 0: all items.

    Returns:
        The model's main metrics by name, for the UI.

    Raises:
        InputError: nobody to test on, artifacts that don't belong together, a negative number of
            drawn items, or a model that was not written by `train`.
    """
    if sampled_negatives < 0:
        raise InputError("sampled_negatives", expected="0 or more", found=str(sampled_negatives))
    data = Dataset.open(dataset)
    content = ItemEmbeddings.open_for(item_embeddings, data.content_hash, data.num_items)
    model_manifest = open_artifact(model, ArtifactKind.RETRIEVAL_MODEL)
    record = TrainingRecord.of_model(model, model_manifest)
    candidate = load_model_for(model, data.item_ids, data.user_ids)
    test = _test(dataset, data, content, hide_history, sampled_negatives)
    live, unmeasured = _live(release_root, data, content)
    judged = _judge_all(candidate, live, test)
    measured = _measured(candidate, live, test, judged).model_copy(
        update={
            "unmeasured": unmeasured,
            "not_comparable": TrainedOn.of(model, model_manifest.details).why_not_judged_on(data),
        }
    )
    page = render_report(test, judged.own, measured, model_manifest)
    with new_artifact(metrics, ArtifactKind.METRICS, STEP) as draft:
        (draft.folder / METRICS_FILE).write_text(measured.model_dump_json(indent=2) + "\n", "utf-8")
        (draft.folder / SUMMARY_FILE).write_text(summarise(measured, record), "utf-8")
        pq.write_table(_per_user(test, judged), draft.folder / PER_USER_FILE)
        draft.counts = {"users": measured.num_users}
        draft.details = record.as_details()
        draft.inputs = {
            "dataset": data.content_hash,
            "item_embeddings": content.content_hash,
            "model": model_manifest.content_hash,
        }
        write_text(report, page)
    if unmeasured:
        print(f"towerflow: warning: the champion could not be measured: {unmeasured}", flush=True)
    if sampled_negatives:
        print(f"towerflow: warning: {SAMPLED_WARNING}", flush=True)
    print(f"towerflow: {record.title}: {PRIMARY_METRIC} {measured.primary:.4f}", flush=True)
    return {name: measured.model[name] for name in IN_THE_UI}


@dataclass(frozen=True)
class _Judgements:
    """The model, and all that stands beside it."""

    own: Judged
    champion: Judged | None
    baselines: dict[str, Judged]

    @property
    def others(self) -> dict[str, Judged]:
        """By name, the champion first."""
        return {**({CHAMPION: self.champion} if self.champion else {}), **self.baselines}


def _live(
    release_root: str, data: Dataset, content: ItemEmbeddings
) -> tuple[LiveModel | None, str]:
    """The champion, or why it can't be asked: a model of an older version must not block a root."""
    if not release_root:
        return None, ""
    try:
        return live_model(release_root, data, content), ""
    except InputError as error:
        return None, str(error).rstrip(".")


def _test(
    dataset: Path, data: Dataset, content: ItemEmbeddings, hide_history: bool, negatives: int
) -> HeldOut:
    posed = task(data, Split.TEST, hide_history=hide_history, negatives=negatives)
    if not len(posed.users):
        raise InputError(
            dataset, expected=f"users to test on (split {data.split_kind})", found="none"
        )
    return HeldOut.of(data, content.embeddings, posed)


def _judge_all(candidate: RetrievalModel, live: LiveModel | None, test: HeldOut) -> _Judgements:
    baselines: dict[str, RetrievalModel] = {
        "popularity": Popularity.fit(test.data.lists(Split.TRAIN), test.data.num_items),
        "content_mean": ContentMean.fit(test.embeddings, ContentMeanConfig()),
    }
    return _Judgements(
        own=judge(candidate, test.embeddings, test),
        champion=judge(live.model, live.embeddings, test, live.unranked) if live else None,
        baselines={name: judge(one, test.embeddings, test) for name, one in baselines.items()},
    )


def _measured(
    candidate: RetrievalModel, live: LiveModel | None, test: HeldOut, judged: _Judgements
) -> EvaluationMetrics:
    """All but what the artifacts say of themselves."""
    own, data = judged.own, test.data
    found = spectra(candidate, test.embeddings, data.has_text, test.popularity)
    return EvaluationMetrics(
        primary_metric=PRIMARY_METRIC,
        protocol=_protocol(test),
        is_full_ranking=test.task.candidates is None,
        num_users=len(test.task.users),
        num_items=data.num_items,
        model=own.means,
        intervals={name: Interval.of(values) for name, values in own.per_user.items()},
        baselines={name: baseline.means for name, baseline in judged.baselines.items()},
        champion=_champion(live, judged.champion) if live and judged.champion else None,
        changes={
            name: Change.of(own.primary, other.primary) for name, other in judged.others.items()
        },
        slices={
            **slice_all(test, own, judged.champion),
            **dict(as_if_new(test, candidate, test.embeddings)),
        },
        exposure=own.exposure,
        health=vector_health(
            candidate, test.embeddings, own.result.broken_users, _effective_rank(found)
        ),
        spectra=found,
        serves_new_items=candidate.serves_new_items,
        dataset=data.content_hash,
    )


def _effective_rank(found: Sequence[Spectrum]) -> float | None:
    """That of the item vectors; they are left out of the spectra if they are very wide."""
    return next((one.effective_rank for one in found if one.table == ITEM_VECTORS), None)


def _champion(live: LiveModel, judged: Judged) -> ChampionMetrics:
    return ChampionMetrics(
        release=live.release,
        metrics=judged.means,
        exposure=judged.exposure,
        unknown_items=len(live.unranked),
        not_comparable=live.not_comparable,
    )


def _protocol(test: HeldOut) -> str:
    task, ranked = test.task, "full ranking of the catalogue"
    if task.candidates is not None:
        drawn = int((task.candidates.lengths - task.relevant.lengths).max())
        ranked = f"{drawn} drawn items ranked beside those to be found"
    history = "hidden" if task.seen is None else "ranked too"
    return f"{ranked}, history {history}, ties against the model, split {test.data.split_kind}"


def _per_user(test: HeldOut, judged: _Judgements) -> pa.Table:
    """Every metric of the model, and the primary one of the others as `champion: ndcg@10`."""
    users = test.task.users
    values = {
        **judged.own.per_user,
        **{f"{name}: {PRIMARY_METRIC}": other.primary for name, other in judged.others.items()},
    }
    return pa.table(
        {
            schema.USER_INDEX: pa.array(users, pa.int64()),
            schema.USER_ID: pa.array([test.data.user_ids[user] for user in users], pa.string()),
            "history_length": pa.array(test.task.histories.lengths, pa.int64()),
            **{name: pa.array(column, pa.float64()) for name, column in values.items()},
        }
    )
