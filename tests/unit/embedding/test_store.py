"""The store gives back what was put in, to whoever has the same encoder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.embedding.settings import EncoderRecord, EncoderSettings
from towerflow.embedding.store import EmbeddingStore, Floats, text_keys
from towerflow.errors import InputError
from towerflow.storage import filesystems


def open_store(root: Path, fingerprint: str = "f") -> EmbeddingStore:
    """The store of an encoder with this fingerprint."""
    settings = EncoderSettings()
    record = EncoderRecord(fingerprint=fingerprint, name="llm", revision="r", settings=settings)
    return EmbeddingStore(str(root), record)


def values(*numbers: float) -> Floats:
    """`[len(numbers), 3]`, told apart by eye."""
    return np.array([[number, -number, 10 * number] for number in numbers], np.float32)


def everything(store: EmbeddingStore, texts: list[str]) -> dict[str, list[float]]:
    """What `fetch` finds, by text."""
    return {
        texts[position]: row.tolist()
        for positions, rows in store.fetch(text_keys(texts))
        for position, row in zip(positions, rows, strict=True)
    }


def test_what_was_added_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert everything(store, ["a"]) == {}
    store.add(text_keys(["a", "b"]), values(1, 2))
    assert everything(store, ["c", "b"]) == {"b": [2, -2, 20]}
    assert store.locate(text_keys(["c", "b", "a"])).is_stored.tolist() == [False, True, True]


@given(st.lists(st.text(max_size=3), min_size=1, max_size=20, unique=True), st.integers(1, 4))
def test_whatever_the_parts(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    store = open_store(tmp_path_factory.mktemp("store"))
    for begin in range(0, len(texts), size):
        part = texts[begin : begin + size]
        store.add(text_keys(part), values(*range(begin, begin + len(part))))
    expected = {text: values(number)[0].tolist() for number, text in enumerate(texts)}
    assert everything(store, texts) == expected
    assert everything(store, texts[::-1]) == expected


def test_of_a_text_in_two_parts_one_is_given(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add(text_keys(["a", "b"]), values(1, 2))
    store.add(text_keys(["b", "c"]), values(2, 3))
    found = list(store.fetch(text_keys(["a", "b", "c"])))
    assert sorted(np.concatenate([positions for positions, _ in found])) == [0, 1, 2]


def test_the_same_part_written_twice_is_one(tmp_path: Path) -> None:
    for order in (["a", "b"], ["b", "a"]):
        numbers = [1.0, 2.0] if order == ["a", "b"] else [2.0, 1.0]
        open_store(tmp_path).add(text_keys(order), values(*numbers))
    assert len(open_store(tmp_path).parts()) == 1
    assert everything(open_store(tmp_path), ["a", "b"]) == {"a": [1, -1, 10], "b": [2, -2, 20]}


def test_another_encoder_has_its_own_embeddings(tmp_path: Path) -> None:
    open_store(tmp_path).add(text_keys(["a"]), values(1))
    assert everything(open_store(tmp_path, "other"), ["a"]) == {}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        open_store(tmp_path).add(text_keys(["a"]), values(1))
    assert list((tmp_path / "f").iterdir()) == []


@pytest.mark.parametrize("damaged", ["key", "embedding"])
def test_a_damaged_part_is_named(tmp_path: Path, damaged: str) -> None:
    store, keys = open_store(tmp_path), text_keys(["a"])
    store.add(keys, values(1))
    (part,) = (tmp_path / "f").iterdir()
    content = bytearray(part.read_bytes())
    stored = keys[0].as_py() if damaged == "key" else values(1).tobytes()
    content[content.rfind(stored)] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match=rf"{part.name}: expected a part of the embedding store"):
        everything(store, ["a"])


def test_a_reader_that_finds_a_part_gone_looks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compaction took it away between listing and reading."""
    store = open_store(tmp_path)
    store.add(text_keys(["a", "b"]), values(1, 2))
    stale = store.parts()
    store.add(text_keys(["a", "b", "c"]), values(1, 2, 3))
    filesystems.delete_files([stale[0].path])
    real, listings = store.parts, [stale]
    monkeypatch.setattr(
        EmbeddingStore, "parts", lambda self: listings.pop() if listings else real()
    )
    assert set(everything(store, ["a", "b", "c"])) == {"a", "b", "c"}


def test_a_part_gone_while_it_is_read_is_looked_for_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add(text_keys(["a"]), values(1))
    store.add(text_keys(["b"]), values(2))
    reading = store.fetch(text_keys(["a", "b"]))
    first, _ = next(reading)
    old = store.parts()
    store.add(text_keys(["a", "b"]), values(1, 2))
    filesystems.delete_files([file.path for file in old])
    rest = [position for positions, _ in reading for position in positions]
    assert sorted([*first, *rest]) == [0, 1]


def test_keys_are_those_of_the_texts() -> None:
    keys = text_keys(["a", "b", "a"])
    assert keys.type == pa.binary(16)
    assert keys[0] == keys[2] != keys[1]


def test_a_reader_is_as_patient_as_a_compaction_is_long(tmp_path: Path) -> None:
    """Each part goes away just before it is read; as long as something is found, it goes on."""
    store, texts = open_store(tmp_path), [str(number) for number in range(9)]
    for number, text in enumerate(texts):
        store.add(text_keys([text]), values(number + 1))
    found, reading = 0, store.fetch(text_keys(texts))
    for step, (positions, _) in enumerate(reading):
        found += len(positions)
        old = store.parts()
        left = [[text, str(100 + step)] for text in texts]
        for pair in left:
            store.add(text_keys(pair), values(1, 2))
        filesystems.delete_files([file.path for file in old])
    assert found == len(texts)
