"""`evaluate`: the numbers are those of the lists, the baselines stand beside them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import EMBED_ITEMS, Run
from tests.unit.steps.test_preprocess import INTERACTIONS, ITEMS
from tests.unit.steps.test_preprocess import run as preprocess_texts
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import PER_USER_FILE, EvaluationMetrics
from towerflow.interactions.dataset import Dataset
from towerflow.schema import Split
from towerflow.steps.embed_items import embed_items
from towerflow.steps.evaluate import evaluate


def test_learn_beats_both_baselines_on_the_shop(shop_run: Run) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    assert metrics.num_users == 40
    assert metrics.baselines.keys() == {"popularity", "content_mean"}
    assert all(metrics.primary > baseline["ndcg@10"] for baseline in metrics.baselines.values())


def test_means_are_those_of_the_per_user_file(shop_run: Run) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    per_user = pq.read_table(shop_run.metrics / PER_USER_FILE)
    assert per_user["user_id"].to_pylist() == Dataset.open(shop_run.dataset).user_ids
    for name, value in metrics.model.items():
        assert np.mean(per_user[name].to_numpy()) == pytest.approx(value)


def test_popularity_is_what_counting_by_hand_gives(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    counts = np.bincount(data.lists(Split.TRAIN).items, minlength=data.num_items)
    history, test = data.lists(Split.TRAIN, Split.VALIDATION), data.lists(Split.TEST)
    found = 0
    for user in range(data.num_users):
        open_items = [item for item in range(data.num_items) if item not in history[user]]
        best = sorted(open_items, key=lambda item: (-counts[item], item))[:10]
        found += test[user][0] in best
    measured = EvaluationMetrics.read(shop_run.metrics).baselines["popularity"]["recall@10"]
    assert measured == pytest.approx(found / data.num_users)


def test_nobody_to_test_on_is_said(shop_run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    preprocess_texts(
        tmp_path, ITEMS, "user_id,item_id,timestamp\nu,a,1\nu,b,2\n", min_user_interactions=1
    )
    embeddings = tmp_path / "embeddings"
    embed_items(
        dataset=tmp_path / "dataset",
        encoder=str(tiny_encoder),
        embedding_store=str(tmp_path / "store"),
        shard=0,
        num_shards=1,
        item_embeddings=embeddings,
        counts=tmp_path / "counts.json",
        **EMBED_ITEMS,
    )
    nobody = r"expected users to test on \(split temporal-leave-one-out\), found none"
    with pytest.raises(InputError, match=nobody):
        evaluate(
            dataset=tmp_path / "dataset",
            item_embeddings=embeddings,
            model=shop_run.model,
            metrics=tmp_path / "metrics",
            report=tmp_path / "report",
        )
    assert not (tmp_path / "metrics").exists()


def test_embeddings_of_another_dataset_are_refused(shop_run: Run, tmp_path: Path) -> None:
    preprocess_texts(tmp_path, ITEMS, INTERACTIONS)
    with pytest.raises(InputError, match="embeddings of Dataset"):
        evaluate(
            dataset=tmp_path / "dataset",
            item_embeddings=shop_run.item_embeddings,
            model=shop_run.model,
            metrics=tmp_path / "metrics",
            report=tmp_path / "report",
        )


def test_what_users_have_taken_may_be_ranked_too(shop_run: Run, tmp_path: Path) -> None:
    """They are then found again, and crowd out what came next."""
    artifacts = (shop_run.dataset, shop_run.item_embeddings, shop_run.model)
    hidden = EvaluationMetrics.read(shop_run.metrics)
    evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report", hide_history=False)
    shown = EvaluationMetrics.read(tmp_path / "metrics")
    assert "history hidden" in hidden.protocol
    assert "history ranked too" in shown.protocol
    assert (
        shown.baselines["content_mean"]["recall@10"] < hidden.baselines["content_mean"]["recall@10"]
    )
