"""`evaluate`: the numbers are those of the lists, the baselines stand beside them."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import EMBED_ITEMS, Run
from tests.unit.steps.test_gate import decide
from tests.unit.steps.test_preprocess import INTERACTIONS, ITEMS
from tests.unit.steps.test_preprocess import run as preprocess_texts
from towerflow.errors import InputError
from towerflow.evaluation import collapse
from towerflow.evaluation.metrics_file import PER_USER_FILE, SUMMARY_FILE, EvaluationMetrics
from towerflow.interactions.dataset import Dataset
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import MANIFEST_FILE, ArtifactKind, Split
from towerflow.steps.embed_items import embed_items
from towerflow.steps.evaluate import evaluate
from towerflow.steps.gate import read_decision
from towerflow.steps.publish import publish
from towerflow.steps.train import train
from towerflow.storage.artifact import new_artifact, read_manifest


def test_learn_beats_both_baselines_on_the_shop(shop_run: Run) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    assert metrics.num_users == 40
    assert metrics.baselines.keys() == {"popularity", "content_mean"}
    assert all(metrics.primary > baseline["ndcg@10"] for baseline in metrics.baselines.values())


def test_means_are_those_of_the_per_user_file(shop_run: Run) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    per_user = pq.read_table(shop_run.metrics / PER_USER_FILE)
    assert per_user["user_id"].to_pylist() == Dataset.open(shop_run.dataset).user_ids
    of_the_catalogue = {"coverage@10", "gini@10"}
    assert metrics.intervals.keys() == metrics.model.keys() - of_the_catalogue
    for name, interval in metrics.intervals.items():
        assert np.mean(per_user[name].to_numpy()) == pytest.approx(metrics.model[name])
        assert interval.low <= metrics.model[name] <= interval.high
    for name, baseline in metrics.baselines.items():
        values = per_user[f"{name}: ndcg@10"].to_numpy()
        assert np.mean(values) == pytest.approx(baseline["ndcg@10"])


def test_popularity_is_what_counting_by_hand_gives(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    counts = np.bincount(data.lists(Split.TRAIN).items, minlength=data.num_items)
    history, test = data.lists(Split.TRAIN, Split.VALIDATION), data.lists(Split.TEST)
    found = 0
    for user in range(data.num_users):
        open_items = [item for item in range(data.num_items) if item not in history[user]]
        # What is to be found comes after all that are as popular.
        best = sorted(open_items, key=lambda item: (-counts[item], item == test[user][0]))[:10]
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


def test_the_champion_is_scored_anew_on_the_same_test(shop_run: Run, tmp_path: Path) -> None:
    """It is the same model here, whatever its old metrics say."""
    artifacts = (shop_run.dataset, shop_run.item_embeddings, shop_run.model)
    root = str(shop_run.release_root)
    shown = evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report", release_root=root)
    metrics = EvaluationMetrics.read(tmp_path / "metrics")
    assert metrics.champion is not None
    assert metrics.champion.release == shop_run.release_id
    assert metrics.champion.metrics == metrics.model
    change = metrics.changes["champion"]
    assert (change.change, change.low, change.high, change.p_value) == (0, 0, 0, 1)
    assert (
        metrics.slices["history: few-shot"].champion == metrics.slices["history: few-shot"].metrics
    )
    assert shown["ndcg@10"] == metrics.primary
    own = EvaluationMetrics.read(shop_run.metrics)
    assert (own.champion, own.model) == (None, metrics.model)


def with_another_model(run: Run, root: Path, config: str) -> str:
    """A release root where the shop's release is live, with this `config.json` of its model."""
    live = Path(ReleaseRoot(run.release_root).folder(run.release_id))
    release = root.with_name("another")
    with new_artifact(release, ArtifactKind.RELEASE, "test") as draft:
        ignore = shutil.ignore_patterns(MANIFEST_FILE)
        shutil.copytree(live, draft.folder, dirs_exist_ok=True, ignore=ignore)
        (draft.folder / "model" / "config.json").write_text(config, "utf-8")
        draft.details = read_manifest(live).details
    releases = ReleaseRoot(root)
    return releases.point_to(releases.add(release), How.PUBLISH).release_id


def test_a_champion_that_cannot_be_read_does_not_block_its_root(
    shop_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate is closed, which may be overruled."""
    root = str(tmp_path / "root")
    live = with_another_model(shop_run, tmp_path / "root", '{"kind": "of another age"}')
    artifacts = (shop_run.dataset, shop_run.item_embeddings, shop_run.model)
    evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report", release_root=root)
    metrics = EvaluationMetrics.read(tmp_path / "metrics")
    assert metrics.champion is None
    assert metrics.unmeasured.endswith("found of another age")
    assert "config.json: kind: expected" in metrics.unmeasured
    assert metrics.changes.keys() == metrics.baselines.keys()
    assert {part.champion for part in metrics.slices.values()} == {None}
    printed = capsys.readouterr().out
    assert f"warning: the champion could not be measured: {metrics.unmeasured}" in printed
    assert "What is live could not be scored: " in (tmp_path / "report").read_text("utf-8")

    on = (tmp_path / "metrics", tmp_path / "root")
    assert decide(*on, tmp_path / "closed") == "closed"
    reason = read_decision(tmp_path / "closed").reason
    assert reason == (f"champion: {live} is live, but could not be measured: {metrics.unmeasured}")
    assert decide(*on, tmp_path / "forced", force="it is of another age") == "open"
    forced = publish(shop_run.index, on[0], tmp_path / "forced", root)
    assert forced != live
    assert ReleaseRoot(root).current() == forced


def test_vectors_of_very_many_columns_have_no_rank(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = EvaluationMetrics.read(shop_run.metrics)
    ranks = {one.table: one.effective_rank for one in known.spectra}
    assert known.health.effective_rank == ranks["item vectors"]
    monkeypatch.setattr(collapse, "MAX_DIM", known.health.dim - 1)
    artifacts = (shop_run.dataset, shop_run.item_embeddings, shop_run.model)
    evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report")
    metrics = EvaluationMetrics.read(tmp_path / "metrics")
    assert metrics.health == known.health.model_copy(update={"effective_rank": None})
    assert decide(tmp_path / "metrics", tmp_path / "root", tmp_path / "decision") == "open"
    assert "| vectors | passed | all finite |" in (tmp_path / "decision.md").read_text("utf-8")


def test_novelty_of_repeats_is_that_of_users(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Two of two users took b and c, again and again, which would be less than no news."""
    again = "".join(f"{user},{item},{time}\n" for time in (1, 2) for user in "uv" for item in "bc")
    ends = "u,a,8\nu,d,9\nv,a,8\nv,d,9\n"
    texts = (ITEMS, f"user_id,item_id,timestamp\n{again}{ends}")
    preprocess_texts(tmp_path, *texts, repeats="all")
    of_texts = {"dataset": tmp_path / "dataset", "item_embeddings": tmp_path / "embeddings"}
    embed_items(
        **of_texts,
        encoder=str(tiny_encoder),
        embedding_store=str(tmp_path / "store"),
        shard=0,
        num_shards=1,
        counts=tmp_path / "counts.json",
        **EMBED_ITEMS,
    )
    train(*of_texts.values(), "popularity", -1, "", "", tmp_path / "model")
    evaluate(
        **of_texts,
        model=tmp_path / "model",
        metrics=tmp_path / "metrics",
        report=tmp_path / "report",
        hide_history=False,
    )
    found = EvaluationMetrics.read(tmp_path / "metrics").model["novelty@10"]
    assert found == (0 + 0 + 1 + 1) / 4  # b and c by both; a and d by nobody, which counts as one


def test_a_model_with_nan_is_measured_and_found_out(shop_run: Run, tmp_path: Path) -> None:
    model = tmp_path / "model"
    manifest = read_manifest(shop_run.model)
    with new_artifact(model, ArtifactKind.RETRIEVAL_MODEL, "train") as draft:
        for name in manifest.files:
            shutil.copyfile(shop_run.model / name, draft.folder / name)
        tensors = load_file(draft.folder / "model.safetensors")
        broken = {name: torch.full_like(tensor, torch.nan) for name, tensor in tensors.items()}
        save_file(broken, draft.folder / "model.safetensors")
        draft.counts, draft.details = manifest.counts, manifest.details
    on = (shop_run.dataset, shop_run.item_embeddings)
    evaluate(*on, model, tmp_path / "metrics", tmp_path / "report")
    metrics = EvaluationMetrics.read(tmp_path / "metrics")
    assert metrics.model["recall@50"] == 0
    assert (metrics.health.broken_items, metrics.health.broken_users) == (50, 40)
    assert decide(tmp_path / "metrics", tmp_path / "root", tmp_path / "decision") == "closed"


def test_drawn_items_are_another_protocol_with_a_warning(
    shop_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts = (shop_run.dataset, shop_run.item_embeddings, shop_run.model)
    evaluate(*artifacts, tmp_path / "metrics", tmp_path / "report", sampled_negatives=5)
    metrics = EvaluationMetrics.read(tmp_path / "metrics")
    assert not metrics.is_full_ranking
    assert metrics.protocol.startswith("5 drawn items ranked beside those to be found, history")
    assert metrics.model["recall@10"] == 1  # of six
    assert "warning: with drawn items these figures can order models" in capsys.readouterr().out
    assert decide(tmp_path / "metrics", tmp_path / "root", tmp_path / "decision") == "closed"
    with pytest.raises(InputError, match="sampled_negatives: expected 0 or more, found -1"):
        evaluate(*artifacts, tmp_path / "m", tmp_path / "r", sampled_negatives=-1)


def test_a_summary_says_it_in_markdown(shop_run: Run) -> None:
    metrics = EvaluationMetrics.read(shop_run.metrics)
    lines = (shop_run.metrics / SUMMARY_FILE).read_text("utf-8").splitlines()
    assert lines[0] == f"# own: ndcg@10 {metrics.primary:.4f}"
    assert any(
        line.startswith(f"| this model | {metrics.model['recall@10']:.4f} |") for line in lines
    )
    assert any(line.startswith("| history: few-shot (2 to 5 before) |") for line in lines)
