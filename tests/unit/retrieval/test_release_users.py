"""A release of a model that knows users: who asks matters, and only to such a model."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import EXPORT_INDEX, Run
from tests.unit.steps.test_gate import challenger, decide
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models.files import load_model, load_model_for
from towerflow.models.graph_cf import GraphCF
from towerflow.retrieval.release import Release
from towerflow.schema import ArtifactKind, Split
from towerflow.steps.export_index import export_index
from towerflow.steps.publish import publish
from towerflow.steps.train import train
from towerflow.storage.artifact import new_artifact, read_manifest

RECIPE = """
description: of a test
model: {kind: graph_cf, dim: 8}
training: {objective: {kind: lightgcn}, epochs: 10, batch_size: 32, learning_rate: 0.01}
"""
K = 50


@pytest.fixture(scope="module")
def root(shop_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a LightGCN over the shop is trained and published."""
    folder = tmp_path_factory.mktemp("graph")
    own = (shop_run.dataset, shop_run.item_embeddings)
    train(*own, RECIPE, -1, "", "", folder / "model")
    export_index(
        *own, folder / "model", index=folder / "index", summary=folder / "index.md", **EXPORT_INDEX
    )
    metrics = challenger(shop_run, folder / "metrics", 0.0)
    decide(metrics, folder / "root", folder / "decision")
    publish(folder / "index", metrics, folder / "decision", str(folder / "root"))
    return folder


@pytest.fixture(scope="module")
def release(root: Path) -> Release:
    return Release.open(root / "root")


def model_in(root: Path) -> GraphCF:
    model = load_model(root / "model")
    assert isinstance(model, GraphCF)
    return model


def test_users_are_who_they_were_in_training_with_all_that_they_did_since(
    shop_run: Run, root: Path, release: Release
) -> None:
    data = Dataset.open(shop_run.dataset)
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    expected = model_in(root).user_vectors(data.lists(*Split), embeddings)
    np.testing.assert_allclose(release.user_vectors(data.user_ids), expected, atol=1e-5)
    some = [data.user_ids[user] for user in (7, 3, 30)]
    np.testing.assert_allclose(release.user_vectors(some), expected[[7, 3, 30]], atol=1e-5)


def test_the_model_in_the_release_can_be_read_for_other_users(
    shop_run: Run, root: Path, release: Release
) -> None:
    data = Dataset.open(shop_run.dataset)
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    who = [5, 2]
    user_ids = [data.user_ids[user] for user in who]
    model = load_model_for(release.folder / "model", data.item_ids, user_ids)
    histories = replace(data.lists(*Split).take(np.array(who)), user_index=np.arange(2))
    expected = torch.from_numpy(release.user_vectors(user_ids))
    torch.testing.assert_close(model.user_vectors(histories, embeddings), expected)
    strangers = load_model_for(release.folder / "model", data.item_ids, ["a", "b"])
    assert not torch.allclose(strangers.user_vectors(histories, embeddings), expected, atol=1e-3)


def test_a_user_who_says_who_asks_is_given_what_the_own_vector_says(release: Release) -> None:
    for user_id in ("user01", "user17"):
        history = release.history_of(user_id)
        found = release.recommend(history, user=user_id, k=K)
        scores = release.index.vectors @ release.user_vectors([user_id])[0]
        ids = release.names.ids
        order = [item for item in np.argsort(-scores) if ids[item] not in history]
        assert [item.item_id for item in found] == [ids[item] for item in order]
        assert [item.score for item in found] == pytest.approx(scores[order].tolist(), abs=1e-5)
        assert release.recommend(user=user_id, k=K) == found, "the own history goes without saying"


def test_the_same_history_of_others_is_ranked_otherwise(release: Release) -> None:
    history = release.history_of("user01")
    stranger, own, other = (
        [item.score for item in release.recommend(history, user=user_id, k=K)]
        for user_id in ("", "user01", "user17")
    )
    assert own != pytest.approx(stranger, abs=1e-4)
    assert own != pytest.approx(other, abs=1e-4)
    assert [item.score for item in release.recommend(history, k=K)] == stranger


def test_a_known_user_can_ask_after_another_history(release: Release) -> None:
    """What the user took by what the release knows is left out too."""
    before = release.history_of("user01")
    found = release.recommend(["G11", "G12"], user="user01", k=K)
    left_out = {"G11", "G12", *before}
    assert {item.item_id for item in found} == set(release.names.ids) - left_out
    strangers = release.recommend(["G11", "G12"], k=K, deny=before)
    assert [item.score for item in found] != pytest.approx([item.score for item in strangers])


def test_of_a_known_user_an_unknown_history_is_enough(release: Release) -> None:
    """All of it came after the release; who asks is known still."""
    found = release.recommend(["new", "newer"], user="user01", k=K)
    assert len(found) == K - len(release.history_of("user01"))
    with pytest.raises(InputError, match="the history: expected an item of this release"):
        release.recommend(["new", "newer"], k=K)


def test_users_whom_the_release_does_not_know_are_named(release: Release) -> None:
    with pytest.raises(InputError, match="user 'nobody': expected a user of this release"):
        release.recommend(["K01"], user="nobody")
    with pytest.raises(InputError, match="user 'nobody'"):
        release.user_vectors(["user01", "nobody"])
    with pytest.raises(InputError, match="user 'nobody'"):
        release.history_of("nobody")


def test_who_asks_is_nothing_to_a_model_that_knows_no_users(shop_run: Run) -> None:
    learn = Release.open(shop_run.release_root)
    history = learn.history_of("user01")
    assert learn.recommend(history, user="user17") == learn.recommend(history)


def test_rows_of_users_that_no_hash_stands_for_are_not_read(
    release: Release, tmp_path: Path
) -> None:
    """The file lies there, and the manifest, with hashes as they should be, knows nothing of it."""
    with new_artifact(tmp_path / "release", ArtifactKind.RELEASE, "test") as draft:
        ignore = shutil.ignore_patterns("manifest.json", "user_inputs.npy", ".*")
        shutil.copytree(release.folder, draft.folder, dirs_exist_ok=True, ignore=ignore)
        draft.details = read_manifest(release.folder).details
    shutil.copy(release.folder / "user_inputs.npy", tmp_path / "release")
    with pytest.raises(InputError, match=r"expected user_inputs\.npy in its manifest, found none"):
        Release.open(tmp_path / "release")
