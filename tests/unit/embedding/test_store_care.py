"""stats counts, verify finds what is wrong, compact loses nothing, even if killed."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.embedding.test_store import everything, open_store, values
from towerflow.embedding import store_care
from towerflow.embedding.store import EmbeddingStore, text_keys
from towerflow.errors import InputError

TEXTS = ["a", "b", "c", "d"]


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    """Four texts in three parts, `b` in two of them."""
    store = open_store(tmp_path)
    store.describe()
    store.add(text_keys(["a", "b"]), values(1, 2))
    store.add(text_keys(["b", "c"]), values(2, 3))
    store.add(text_keys(["d"]), values(4))
    return store


def test_stats(store: EmbeddingStore, tmp_path: Path) -> None:
    (found,) = store_care.stores(str(tmp_path))
    stats = store_care.stats(found)
    assert (stats.texts, stats.doubled, stats.parts) == (4, 1, 3)
    assert stats.bytes == sum(path.stat().st_size for path in (tmp_path / "f").glob("*.parquet"))
    assert stats.encoder == store.encoder


def test_compaction_leaves_each_text_once(store: EmbeddingStore) -> None:
    before = everything(store, TEXTS)
    assert list(store_care.compact(store)) == ["3 parts became 1, 4 texts"]
    assert everything(store, TEXTS) == before
    stats = store_care.stats(store)
    assert (stats.texts, stats.doubled, stats.parts) == (4, 0, 1)
    assert store_care.verify(store) == []
    assert list(store_care.compact(store)) == ["1 parts became 1, 4 texts"]
    assert everything(store, TEXTS) == before


def test_parts_are_kept_below_a_size(
    store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(store, TEXTS)
    monkeypatch.setattr(store_care, "PART_BYTES", 1)
    assert len(list(store_care.compact(store))) == 3
    assert everything(store, TEXTS) == before
    assert store_care.stats(store).doubled == 0


def test_a_compaction_killed_before_it_deletes_has_lost_nothing(
    store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(paths: list[str]) -> None:
        raise KeyboardInterrupt

    before = everything(store, TEXTS)
    monkeypatch.setattr(store_care, "delete_files", killed)
    with pytest.raises(KeyboardInterrupt):
        list(store_care.compact(store))
    assert everything(store, TEXTS) == before
    monkeypatch.undo()
    list(store_care.compact(store))
    assert everything(store, TEXTS) == before
    assert store_care.stats(store).doubled == 0


def test_a_compaction_in_groups_that_was_killed_may_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first run wrote may stand in any group of the second."""
    texts = [str(number) for number in range(12)]
    for trial in range(6):
        store = open_store(tmp_path / str(trial))
        for number, text in enumerate(texts):
            store.add(text_keys([f"{trial} {text}"]), values(number + 1))
        named = [f"{trial} {text}" for text in texts]
        before = everything(store, named)
        monkeypatch.setattr(store_care, "PART_BYTES", 3 * store.parts()[0].bytes)
        with monkeypatch.context() as killed:
            killed.setattr(store_care, "delete_files", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                list(store_care.compact(store))
        list(store_care.compact(store))
        assert everything(store, named) == before


def test_verify_names_what_is_wrong(store: EmbeddingStore, tmp_path: Path) -> None:
    assert store_care.verify(store) == []
    store.add(text_keys(["nan"]), np.array([[np.nan, 1, 1]], np.float32))
    store.add(text_keys(["wide"]), np.ones((1, 4), np.float32))
    whole = sorted((tmp_path / "f").glob("*.parquet"))[0]
    whole.with_name("0misnamed.parquet").write_bytes(whole.read_bytes())
    (tmp_path / "f" / "0short.parquet").write_bytes(whole.read_bytes()[:100])
    found = "\n".join(store_care.verify(store))
    for sentence in ("0misnamed.parquet: its name", "0short.parquet: expected", "NaN, infinity"):
        assert sentence in found
    assert "embeddings of different lengths: 3 in" in found
    assert len(store_care.verify(store)) == 4


def test_where_there_is_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an embedding store, found none"):
        store_care.stores(str(tmp_path / "nowhere"))
