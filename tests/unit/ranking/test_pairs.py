"""Pairs whose ids or columns can't be used, and an adaptor over a refreshed release."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run
from towerflow.errors import InputError
from towerflow.ranking.adaptor import RankingAdaptorConfig
from towerflow.ranking.artifact import train_ranking_adaptor, write_ranking_features
from towerflow.ranking.pairs import read_pairs
from towerflow.retrieval.release import Release
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, read_manifest


@pytest.fixture
def release(shop_run: Run) -> str:
    """The release root."""
    return str(shop_run.release_root)


def pairs_of(release: str) -> dict[str, list[Any]]:
    """Four of two users, both with a conversion and without."""
    opened = Release.open(release)
    users = [user for user in opened.user_ids[:2] for _ in range(2)]
    return {"user_id": users, "item_id": opened.names.ids[:4], "converted": [0, 1, 1, 0]}


def adaptor_of(release: str, folder: Path) -> Path:
    """Fitted on those pairs."""
    pq.write_table(pa.table(pairs_of(release)), folder / "conversions.parquet")
    config = RankingAdaptorConfig(hidden=4, fusion_dim=2, epochs=1, held_out_share=0.5)
    train_ranking_adaptor(release, folder / "conversions.parquet", config, folder / "adaptor")
    return folder / "adaptor"


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_null_ids_are_unknown(release: str, tmp_path: Path, column: str) -> None:
    rows = pairs_of(release)
    rows[column][1] = None
    pq.write_table(pa.table(rows), tmp_path / "pairs.parquet")
    found = read_pairs(Release.open(release), tmp_path / "pairs.parquet", labelled=True)
    assert found.num_unknown == 1
    assert found.table.equals(pa.table(rows).take([0, 2, 3]))


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_ids_that_are_floats_are_refused(release: str, tmp_path: Path, column: str) -> None:
    rows = pairs_of(release) | {column: [1.0, 2.0, 3.0, 4.0]}
    pq.write_table(pa.table(rows), tmp_path / "pairs.parquet")
    sentence = rf"pairs\.parquet: {column}: expected text or integers, found floats"
    with pytest.raises(InputError, match=sentence):
        read_pairs(Release.open(release), tmp_path / "pairs.parquet", labelled=True)


@pytest.mark.parametrize("column", ["fusion", "user_vector", "item_vector"])
def test_pairs_that_have_a_column_that_is_added_are_refused(
    release: str, tmp_path: Path, column: str
) -> None:
    adaptor, pairs = adaptor_of(release, tmp_path), tmp_path / "pairs.parquet"
    pq.write_table(pa.table(pairs_of(release) | {column: [1, 2, 3, 4]}), pairs)
    with pytest.raises(InputError, match=f"none of the columns that are added, found {column}"):
        write_ranking_features(adaptor, release, pairs, tmp_path / "features.parquet")
    assert not (tmp_path / "features.parquet").exists()


def test_which_release_it_was_is_no_condition(release: str, tmp_path: Path) -> None:
    """A refreshed one has another id and the same vector space."""
    adaptor = adaptor_of(release, tmp_path)
    before = tmp_path / "before"
    with new_artifact(before, ArtifactKind.RANKING_ADAPTOR, "test") as draft:
        for name in read_manifest(adaptor).files:
            shutil.copy(adaptor / name, draft.folder)
        draft.details = read_manifest(adaptor).details | {"release_id": "r-before"}
    pairs, features = tmp_path / "conversions.parquet", tmp_path / "features.parquet"
    assert write_ranking_features(before, release, pairs, features) == 0
    assert pq.read_table(features).num_rows == 4
