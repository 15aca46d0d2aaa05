"""The engine: every text once, in the store, whatever goes wrong on the way."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.unit.embedding.test_store import open_store
from towerflow.embedding import engine
from towerflow.embedding.batches import BatchBudget
from towerflow.embedding.engine import Totals, Unread, count_blocks, embed
from towerflow.embedding.store import EmbeddingStore, text_keys
from towerflow.errors import InputError


class WordCounter:
    """A stand-in for an LLM: a token a word, embedding = [words, letters of the first word]."""

    def __init__(self, *, is_packed: bool = True, memory: int = 10**9, useless: str = "") -> None:
        self.is_packed = is_packed
        self.memory = memory  # tokens
        self.useless = useless
        self.batches: list[list[int]] = []

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Length of each word."""
        return [[len(word) for word in text.split()] for text in texts]

    def encode(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """`[len(texts), 2]`."""
        room = max(map(len, texts)) * len(texts)
        if (sum(map(len, texts)) if self.is_packed else room) > self.memory:
            raise torch.OutOfMemoryError("not so much")
        self.batches.append([len(ids) for ids in texts])
        found = torch.tensor([[len(ids), ids[0]] for ids in texts], dtype=torch.float32)
        bad = len(self.useless.split())
        found[[len(ids) == bad for ids in texts]] = torch.nan
        return found

    def flops(self, lengths: Sequence[int]) -> float:
        """Ten a token."""
        return 10.0 * sum(lengths)


TEXTS = [f"{'x' * (number + 1)} {'word ' * (number % 7)}".strip() for number in range(40)]
NUM_TOKENS = sum(1 + number % 7 for number in range(40))


def unread(texts: Sequence[str], num_blocks: int = 1) -> Unread:
    """Texts called by themselves."""
    return Unread(text_keys(texts), texts, [f"item '{text}'" for text in texts], num_blocks)


def run(store: EmbeddingStore, encoder: WordCounter, budget: int = 12, blocks: int = 1) -> Totals:
    """Embed all of TEXTS."""
    return embed(unread(TEXTS, blocks), encoder, store, BatchBudget(budget, grows=False))


def stored(store: EmbeddingStore) -> dict[int, list[float]]:
    """Embeddings by position in TEXTS."""
    return {
        int(position): row.tolist()
        for positions, rows in store.fetch(text_keys(TEXTS))
        for position, row in zip(positions, rows, strict=True)
    }


EXPECTED = {number: [1.0 + number % 7, number + 1.0] for number in range(40)}


@pytest.mark.parametrize("blocks", [1, 5])
@pytest.mark.parametrize("is_packed", [True, False])
def test_every_text_is_embedded_once(tmp_path: Path, blocks: int, is_packed: bool) -> None:
    store, encoder = open_store(tmp_path), WordCounter(is_packed=is_packed)
    totals = run(store, encoder, blocks=blocks)
    assert stored(store) == EXPECTED
    assert (totals.texts, totals.tokens, totals.flops) == (40, NUM_TOKENS, 10 * NUM_TOKENS)
    padding = sum(max(batch) * len(batch) - sum(batch) for batch in encoder.batches)
    assert totals.padding == (0 if is_packed else padding)
    assert sum(map(len, encoder.batches)) == 40
    assert totals.seconds > 0


def test_within_a_block_the_longest_come_first(tmp_path: Path) -> None:
    encoder = WordCounter()
    run(open_store(tmp_path), encoder)
    lengths = [length for batch in encoder.batches for length in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_a_batch_that_does_not_fit_is_halved_and_the_run_goes_on(tmp_path: Path) -> None:
    store, encoder = open_store(tmp_path), WordCounter(memory=7)
    assert run(store, encoder, budget=1000).texts == 40
    assert stored(store) == EXPECTED
    assert max(map(sum, encoder.batches)) <= 7


def test_batches_side_by_side_give_the_same(tmp_path: Path) -> None:
    store, encoder = open_store(tmp_path), WordCounter()
    budget = BatchBudget(12, grows=False, num_workers=3)
    assert embed(unread(TEXTS), encoder, store, budget).texts == 40
    assert stored(store) == EXPECTED


def test_a_text_that_does_not_fit_alone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"item 'x+ word .*fits in the device's memory.*7 tokens"):
        run(open_store(tmp_path), WordCounter(memory=6))


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: WordCounter, texts: object) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(WordCounter, "encode", broken)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        run(open_store(tmp_path), WordCounter())


def test_a_useless_embedding_names_the_item_and_what_came_before_is_kept(tmp_path: Path) -> None:
    store, encoder = open_store(tmp_path), WordCounter(useless="two words")
    with pytest.raises(InputError, match=r"item 'xx+ word': embedding: expected finite numbers"):
        run(store, encoder)
    kept = stored(store)
    assert kept == {number: EXPECTED[number] for number in kept}
    assert len(kept) == sum(map(len, encoder.batches[:-1])) > 20


def test_what_is_interrupted_goes_on_with_the_same_batches(tmp_path: Path) -> None:
    """The batches of 7-token texts stand in the store; the others are those of a whole run."""
    whole, rest = WordCounter(), WordCounter()
    run(open_store(tmp_path / "whole"), whole)
    first = [batch for batch in whole.batches if batch[0] == 7]
    num_done = sum(map(len, first))
    assert 0 < num_done < 40

    def place(text: str) -> tuple[int, bytes]:
        return -len(text.split()), text_keys([text])[0].as_py()

    left = sorted(TEXTS, key=place)[num_done:]
    store = open_store(tmp_path / "store")
    embed(unread(left), rest, store, BatchBudget(12, grows=False))
    assert first + rest.batches == whole.batches


def test_parts_are_written_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MIN_PART_SECONDS", 0.0)
    monkeypatch.setattr(engine, "PART_SHARE", 0.0)
    store, encoder = open_store(tmp_path), WordCounter()
    run(store, encoder)
    assert len(store.parts()) == len(encoder.batches)
    assert stored(store) == EXPECTED


def test_a_part_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_PART_BYTES", 10 * 8)  # ten embeddings of two float32
    store = open_store(tmp_path)
    run(store, WordCounter())
    sizes = [len(keys) for keys in store.key_columns()[1]]
    assert len(sizes) > 1
    assert max(sizes) <= 10 + 12, "the batch that goes beyond it is the last"
    assert stored(store) == EXPECTED


def test_a_part_that_cannot_be_written_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: EmbeddingStore, keys: object, embeddings: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(EmbeddingStore, "add", full)
    with pytest.raises(OSError, match="disk full"):
        run(open_store(tmp_path), WordCounter())


def test_progress_is_told_in_items_and_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(open_store(tmp_path), WordCounter(), blocks=3)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("towerflow: embed items: 40/40 items, ")
    assert last.endswith(" tokens/s")


def test_blocks_are_counted_by_all_texts() -> None:
    assert [count_blocks(number) for number in (0, 1, 16_384, 16_385)] == [1, 1, 1, 2]
