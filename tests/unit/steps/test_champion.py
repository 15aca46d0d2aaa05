"""`champion`: what is live, as other steps take it."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.conftest import Run
from towerflow.embedding.settings import EncoderRecord
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.models.files import save_model
from towerflow.models.popularity import Popularity
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import MANIFEST_FILE, ArtifactKind
from towerflow.steps.champion import Champion, champion
from towerflow.steps.gate import read_decision
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest


def take(release_root: Path, folder: Path) -> Champion:
    """The live release's model, metrics and decision in `folder`."""
    return champion(str(release_root), folder / "model", folder / "metrics", folder / "decision")


def test_it_is_the_model_of_the_live_release(shop_run: Run, tmp_path: Path) -> None:
    found = take(shop_run.release_root, tmp_path)
    model = open_artifact(tmp_path / "model", ArtifactKind.RETRIEVAL_MODEL)
    assert model.content_hash == read_manifest(shop_run.model).content_hash
    assert EvaluationMetrics.read(tmp_path / "metrics") == EvaluationMetrics.read(shop_run.metrics)
    decision = read_decision(tmp_path / "decision")
    assert decision.decision == "open"
    assert shop_run.release_id in decision.reason
    assert found.release == ReleaseRoot(shop_run.release_root).folder(shop_run.release_id)


def test_it_says_how_its_texts_were_embedded(shop_run: Run, tmp_path: Path) -> None:
    found = take(shop_run.release_root, tmp_path)
    record = EncoderRecord.of("", read_manifest(shop_run.item_embeddings).details)
    assert found[1:] == (record.fingerprint, "mean", -1, "{text}", "no", 64, "float32")
    assert EncoderRecord.of("", read_manifest(tmp_path / "model").details) == record


def test_where_nothing_is_live_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a live release to refresh, found nothing.*run retrain"):
        take(tmp_path / "releases", tmp_path)


def test_a_model_that_knows_its_items_only_is_refused(shop_run: Run, tmp_path: Path) -> None:
    live = Path(ReleaseRoot(shop_run.release_root).folder(shop_run.release_id))
    with new_artifact(tmp_path / "release", ArtifactKind.RELEASE, "test") as draft:
        ignore = shutil.ignore_patterns(MANIFEST_FILE)
        shutil.copytree(live, draft.folder, dirs_exist_ok=True, ignore=ignore)
        save_model(Popularity(torch.ones(50)), list(map(str, range(50))), draft.folder / "model")
        draft.details = read_manifest(live).details
    root = ReleaseRoot(tmp_path / "root")
    root.point_to(root.add(tmp_path / "release"), How.PUBLISH)
    with pytest.raises(InputError, match="knows items by their text, found popularity"):
        take(tmp_path / "root", tmp_path)
