"""The store gives back what was put in, to whoever has the same encoder."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from towerflow.embedding.store import EmbeddingStore
from towerflow.errors import InputError

ONE, TWO = np.array([[1, 2, 3]], np.float32), np.array([[4, 5, 6]], np.float32)


def test_what_was_added_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, "llm")
    assert store.lookup(["a"]) == {}
    store.add(["a", "b"], np.concatenate([ONE, TWO]))
    found = store.lookup(["b", "c"])
    assert list(found) == ["b"]
    assert found["b"].tolist() == [4, 5, 6]
    assert found["b"].dtype == np.float32


def test_writers_add_parts_side_by_side(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, "llm").add(["a"], ONE)
    EmbeddingStore(tmp_path, "llm").add(["b"], TWO)
    assert EmbeddingStore(tmp_path, "llm").lookup(["a", "b"]).keys() == {"a", "b"}
    assert all(path.suffix == ".parquet" for path in (tmp_path / "llm").iterdir())


def test_another_encoder_has_its_own_embeddings(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, "llm").add(["a"], ONE)
    assert EmbeddingStore(tmp_path, "other").lookup(["a"]) == {}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(table: object, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="disk full"):
        EmbeddingStore(tmp_path, "llm").add(["a"], ONE)
    assert list((tmp_path / "llm").iterdir()) == []


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, "llm")
    store.add(["a"], ONE)
    (part,) = (tmp_path / "llm").iterdir()
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(InputError, match=rf"{part.name}: expected a part of the embedding store"):
        store.lookup(["a"])
