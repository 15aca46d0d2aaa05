"""The adaptor finds a planted conversion signal that a ranking model alone does not."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray

from tests.conftest import Run
from towerflow.errors import InputError
from towerflow.ranking.adaptor import RankingAdaptor, RankingAdaptorConfig
from towerflow.ranking.artifact import (
    open_adaptor,
    train_ranking_adaptor,
    write_ranking_features,
)
from towerflow.ranking.fit import auc, fit_adaptor
from towerflow.ranking.pairs import VectorPairs, read_pairs
from towerflow.retrieval.release import Release
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest

DIM = 8
CONFIG = RankingAdaptorConfig(hidden=32, fusion_dim=8, epochs=20, learning_rate=0.01)


def planted(num_pairs: int = 4_000) -> VectorPairs:
    """Users convert on items of the same sign along the first axis: no single vector tells."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    users, items = torch.randn(400, DIM), torch.randn(300, DIM)
    user, item = rng.integers(400, size=num_pairs), rng.integers(300, size=num_pairs)
    agree = (users[user, 0] * items[item, 0]).numpy()
    converted = rng.random(num_pairs) < 1 / (1 + np.exp(-3 * agree))
    return VectorPairs(pa.table({"row": range(num_pairs)}), user, item, converted, users, items, 0)


def ranking_auc(features: torch.Tensor, converted: NDArray[np.bool_]) -> float:
    """AUC of a logistic ranking model on the second half of the pairs, fitted on the first."""
    half = len(features) // 2
    model = torch.nn.Linear(features.shape[1], 1)
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=100)
    labels = torch.from_numpy(converted[:half]).float().unsqueeze(1)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(model(features[:half]), labels)
        value.backward()
        return value

    optimiser.step(loss)
    with torch.inference_mode():
        scores = model(features[half:]).squeeze(1).double().numpy()
    return auc(scores, converted[half:])


def test_fusion_raises_the_auc_of_a_ranking_model() -> None:
    pairs = planted()
    assert pairs.converted is not None
    half = np.arange(len(pairs.user)) < len(pairs.user) // 2
    adaptor, curve = fit_adaptor(pairs.where(half), CONFIG)
    assert max(curve) > curve[0]
    users, items = pairs.vectors(np.arange(len(pairs.user)))
    fused = adaptor.features(users, items).detach()
    without = ranking_auc(torch.cat([users, items], dim=1), pairs.converted)
    assert without < 0.56
    assert ranking_auc(fused, pairs.converted) > without + 0.15


def test_the_same_seed_gives_the_same_adaptor() -> None:
    pairs = planted(500)
    one, other = (fit_adaptor(pairs, CONFIG)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_features_are_fusion_user_and_item() -> None:
    adaptor = RankingAdaptor(CONFIG, DIM)
    users, items = torch.randn(3, DIM), torch.randn(3, DIM)
    features = adaptor.features(users, items)
    assert features.shape == (3, CONFIG.fusion_dim + 2 * DIM)
    assert torch.equal(features[:, CONFIG.fusion_dim :], torch.cat([users, items], dim=1))


def test_auc_counts_pairs_in_order_and_ties_half() -> None:
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    positive = np.array([False, True, False, True])
    # (2 > 1), (2 = 2), (3 > 1), (3 > 2): three and a half of four.
    assert auc(scores, positive) == 3.5 / 4


def test_pairs_that_all_converted_teach_nothing() -> None:
    pairs = planted(100)
    always = VectorPairs(**{**vars(pairs), "converted": np.ones(100, dtype=bool)})
    with pytest.raises(InputError, match="some that converted and some that did not"):
        fit_adaptor(always, CONFIG)


@pytest.fixture
def release(shop_run: Run) -> str:
    """The release's own folder, as good as the root."""
    return str(shop_run.release_root / "releases" / shop_run.release_id)


def write_pairs(release: str, file: Path) -> pa.Table:
    """Every user with every item, two of nobody, converted where the sum of indices is even."""
    opened = Release.open(release)
    rows = [
        (user, item, (u + i) % 2)
        for u, user in enumerate(opened.user_ids)
        for i, item in enumerate(opened.names.ids)
    ]
    rows += [("nobody", opened.names.ids[0], 1), (opened.user_ids[0], "nothing", 0)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    table = pa.table(columns, names=["user_id", "item_id", "converted"])
    pq.write_table(table, file)
    return table


def test_an_adaptor_is_an_artifact_and_its_features_stand_beside_the_pairs(
    release: str, tmp_path: Path
) -> None:
    table = write_pairs(release, tmp_path / "pairs.parquet")
    folder = tmp_path / "adaptor"
    config = RankingAdaptorConfig(hidden=8, fusion_dim=4, epochs=2)
    found = train_ranking_adaptor(release, tmp_path / "pairs.parquet", config, folder)
    manifest = open_artifact(folder, ArtifactKind.RANKING_ADAPTOR)
    assert manifest.counts == {"pairs": len(table) - 2, "unknown_pairs": 2}
    assert max(manifest.details["held_out_auc"]) == found

    unknown = write_ranking_features(
        folder, release, tmp_path / "pairs.parquet", tmp_path / "features.parquet"
    )
    assert unknown == 2
    features = pq.read_table(tmp_path / "features.parquet")
    assert features.drop(["fusion", "user_vector", "item_vector"]).equals(
        table.slice(0, len(table) - 2)
    )
    opened = Release.open(release)
    users = torch.tensor(features["user_vector"].to_pylist())
    items = torch.tensor(features["item_vector"].to_pylist())
    (vector,) = opened.user_vectors([features["user_id"][0].as_py()])
    torch.testing.assert_close(users[0], torch.from_numpy(vector))
    # The first user's rows are of all items, in order.
    assert items[: opened.num_items].numpy().tolist() == opened.index.vectors.tolist()
    with torch.inference_mode():
        fused = open_adaptor(folder).fuse(users, items)
    torch.testing.assert_close(torch.tensor(features["fusion"].to_pylist()), fused)


def test_an_adaptor_of_another_model_is_refused(release: str, tmp_path: Path) -> None:
    write_pairs(release, tmp_path / "pairs.parquet")
    folder = tmp_path / "adaptor"
    train_ranking_adaptor(
        release, tmp_path / "pairs.parquet", RankingAdaptorConfig(epochs=1), folder
    )
    details = read_manifest(folder).details
    assert details["vector_space"] == Release.open(release).vector_space
    other = tmp_path / "other"
    with new_artifact(other, ArtifactKind.RANKING_ADAPTOR, "test") as draft:
        for name in read_manifest(folder).files:
            shutil.copy(folder / name, draft.folder)
        draft.details = details | {"release_id": "r-other", "vector_space": "another"}
    with pytest.raises(InputError, match="found r-other's"):
        write_ranking_features(
            other, release, tmp_path / "pairs.parquet", tmp_path / "features.parquet"
        )
    assert not (tmp_path / "features.parquet").exists()


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"user_id": ["u"], "item_id": ["i"]}, "expected a column converted"),
        ({"user_id": ["u"], "item_id": ["i"], "converted": [1]}, "none in 1 rows"),
    ],
)
def test_pairs_that_can_not_be_used_are_told(
    release: str, tmp_path: Path, columns: dict[str, list[str]], sentence: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match=sentence):
        read_pairs(Release.open(release), tmp_path / "pairs.parquet", labelled=True)


def test_a_label_that_is_neither_0_nor_1_is_told_with_its_row(release: str, tmp_path: Path) -> None:
    opened = Release.open(release)
    user, item = opened.user_ids[0], opened.names.ids[0]
    rows = {"user_id": [user, user], "item_id": [item, item], "converted": [1, 7]}
    pq.write_table(pa.table(rows), tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match="converted: expected 0 or 1, found 7 in row 2"):
        read_pairs(opened, tmp_path / "pairs.parquet", labelled=True)
