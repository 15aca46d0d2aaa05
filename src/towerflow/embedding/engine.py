"""Texts through the frozen LLM into the store: sorted, overlapped, and safe to kill at any moment.

Tokenisation of the next block, the model, and the writing of parts run side by side. A part holds
whole batches and is written at once; batches depend only on which texts are still to embed, so
that what is interrupted goes on with the batches that an uninterrupted run would have had.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.embedding.batches import BatchBudget, next_batch
from towerflow.embedding.store import EmbeddingStore, Floats
from towerflow.errors import InputError
from towerflow.progress import progress

BLOCK_TEXTS: Final = 16_384  # tokenised and sorted together
MIN_PART_SECONDS: Final = 2.0
MAX_PART_BYTES: Final = 256 * 2**20
PART_SHARE: Final = 0.01  # of all the work so far may be lost to a kill; keeps parts few


class Encoder(Protocol):
    """What the engine asks of a `FrozenEncoder`, which describes it."""

    is_packed: bool

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one."""
        ...

    def encode(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """`[len(texts), embedding_dim]` float32."""
        ...

    def flops(self, lengths: Sequence[int]) -> float:
        """Operations that texts of so many tokens take."""
        ...


@dataclass(frozen=True)
class Unread:
    """Distinct texts that the store lacks.

    Attributes:
        keys: of the texts.
        texts: what the LLM reads.
        names: what to call each in an error: an item that has the text.
        num_blocks: over how many blocks the texts are spread, by their keys.
    """

    keys: pa.Array
    texts: Sequence[str]
    names: Sequence[str]
    num_blocks: int

    def take(self, positions: NDArray[np.int64]) -> "Unread":
        """Some of the texts."""
        return Unread(
            keys=self.keys.take(pa.array(positions)),
            texts=[self.texts[position] for position in positions],
            names=[self.names[position] for position in positions],
            num_blocks=self.num_blocks,
        )


@dataclass(frozen=True)
class Totals:
    """What embedding took.

    Attributes:
        texts: embedded.
        tokens: read, without padding.
        padding: tokens of padding beside them.
        flops: operations on real tokens.
        seconds: in which batches ran, without loading the model.
    """

    texts: int = 0
    tokens: int = 0
    padding: int = 0
    flops: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Totals") -> "Totals":
        """Of both, one after the other."""
        return Totals(
            self.texts + other.texts,
            self.tokens + other.tokens,
            self.padding + other.padding,
            self.flops + other.flops,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class Block:
    """Tokenised texts, longest first.

    Attributes:
        unread: the texts.
        tokens: ids of each.
    """

    unread: Unread
    tokens: list[list[int]]


def count_blocks(num_texts: int) -> int:
    """Blocks for so many distinct texts, whether the store has them already or not."""
    return max(1, -(-num_texts // BLOCK_TEXTS))


def embed(
    unread: Unread,
    encoder: Encoder,
    store: EmbeddingStore,
    budget: BatchBudget,
    label: str = "embed items",
) -> Totals:
    """Embed all of `unread` into `store`.

    Args:
        unread: texts that the store lacks.
        encoder: the frozen LLM.
        store: of that encoder.
        budget: size of the batches.
        label: of the progress.

    Raises:
        InputError: the encoder gives NaN or zeros for a text, or one does not fit in memory.
    """
    totals, shown, finished = Totals(), 0, 0
    with progress(label, len(unread.texts), "items") as advance, PartWriter(store) as writer:
        for block in _blocks(unread, encoder):
            total, done = sum(map(len, block.tokens)), 0
            for positions, embeddings, took in _batches(block, encoder, budget):
                _refuse_useless(block.unread.names[positions], embeddings)
                writer.add(block.unread.keys[positions], embeddings)
                totals += took
                done += took.tokens
                # In tokens, not items: the longest come first, items would promise too late an end.
                now = finished + round(len(block.tokens) * done / total)
                advance(now - shown, f"{totals.tokens / totals.seconds:,.0f} tokens/s")
                shown = now
            finished += len(block.tokens)
    return totals


class PartWriter:
    """Gathers batches and writes them as parts, beside the model's work."""

    def __init__(self, store: EmbeddingStore) -> None:
        self.store = store
        self._keys: list[pa.Array] = []
        self._embeddings: list[Floats] = []
        self._bytes = 0
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None
        self._begun = self._last = time.monotonic()

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What is embedded is kept, even if the next text is one that can't be.
        try:
            self.flush()
            self._wait()
        finally:
            self._thread.shutdown()

    def add(self, keys: pa.Array, embeddings: Floats) -> None:
        """Take in a batch."""
        self._keys.append(keys)
        self._embeddings.append(embeddings)
        self._bytes += embeddings.nbytes
        now = time.monotonic()
        is_due = now - self._last > max(MIN_PART_SECONDS, PART_SHARE * (now - self._begun))
        if is_due or self._bytes > MAX_PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered; waits for the part before."""
        self._wait()
        if self._keys:
            keys = pa.concat_arrays(self._keys)
            embeddings = np.concatenate(self._embeddings)
            self._written = self._thread.submit(self.store.add, keys, embeddings)
            self._keys, self._embeddings, self._bytes = [], [], 0
        self._last = time.monotonic()

    def _wait(self) -> None:
        if self._written:
            self._written.result()
            self._written = None


def _blocks(unread: Unread, encoder: Encoder) -> Iterator[Block]:
    """Tokenise block after block, one ahead of the model."""
    heads = np.frombuffer(b"".join(key.as_py()[:8] for key in unread.keys), ">u8")
    number = (heads % unread.num_blocks).astype(np.int64)
    members = [
        found for block in range(unread.num_blocks) if len(found := np.flatnonzero(number == block))
    ]
    with ThreadPoolExecutor(1) as thread:
        ahead: Future[Block] | None = None
        for positions in members:
            following = thread.submit(_tokenized, unread.take(positions), encoder)
            if ahead:
                yield ahead.result()
            ahead = following
        if ahead:
            yield ahead.result()


def _tokenized(unread: Unread, encoder: Encoder) -> Block:
    tokens = encoder.tokenize(unread.texts)
    keys = unread.keys.to_pylist()
    order = sorted(
        range(len(tokens)), key=lambda position: (-len(tokens[position]), keys[position])
    )
    return Block(unread.take(np.array(order, np.int64)), [tokens[position] for position in order])


def _batches(
    block: Block, encoder: Encoder, budget: BatchBudget
) -> Iterator[tuple[slice, Floats, Totals]]:
    """Positions in the block, their embeddings, and what they took, in order of the positions."""
    lengths = [len(ids) for ids in block.tokens]
    running: deque[tuple[slice, Future[Floats]]] = deque()
    start, last = 0, time.monotonic()
    with ThreadPoolExecutor(budget.num_workers, initializer=budget.begin_worker) as workers:
        while start < len(lengths) or running:
            while start < len(lengths) and len(running) < budget.num_workers:
                stop = next_batch(lengths, start, budget.tokens, is_packed=encoder.is_packed)
                batch = slice(start, stop)
                running.append((batch, workers.submit(_encode, block, batch, encoder, budget)))
                start = stop
            batch, encoded = running.popleft()
            embeddings = encoded.result()
            now = time.monotonic()
            yield batch, embeddings, _took(lengths[batch], encoder, max(now - last, 1e-9))
            last = now


def _encode(block: Block, batch: slice, encoder: Encoder, budget: BatchBudget) -> Floats:
    """Embeddings of a batch; in halves if it does not fit in memory."""
    texts = block.tokens[batch]
    room = _room([len(ids) for ids in texts], encoder)
    began = time.monotonic()
    try:
        embeddings: Floats = encoder.encode(texts).numpy()
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        if len(texts) == 1:
            raise InputError(
                block.unread.names[batch.start],
                expected="a text that fits in the device's memory",
                found=f"{room:,} tokens that do not",
                hint="lower max_tokens or the precision",
            ) from error
    else:
        budget.succeeded(room, max(time.monotonic() - began, 1e-9))
        return embeddings
    budget.ran_out(room)
    middle = batch.start + len(texts) // 2
    halves = (slice(batch.start, middle), slice(middle, batch.stop))
    return np.concatenate([_encode(block, half, encoder, budget) for half in halves])


def _took(lengths: Sequence[int], encoder: Encoder, seconds: float) -> Totals:
    tokens = sum(lengths)
    padding = _room(lengths, encoder) - tokens
    return Totals(len(lengths), tokens, padding, encoder.flops(lengths), seconds)


def _room(lengths: Sequence[int], encoder: Encoder) -> int:
    """Tokens of a batch, padding counted."""
    return sum(lengths) if encoder.is_packed else max(lengths) * len(lengths)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _refuse_useless(names: Sequence[str], embeddings: Floats) -> None:
    good = np.isfinite(embeddings).all(axis=1) & embeddings.any(axis=1)
    if not good.all():
        raise InputError(
            names[int(np.argmin(good))],
            field="embedding",
            expected="finite numbers, not all zero",
            found="NaN, infinity or zeros from the encoder",
            hint="float16 may overflow: precision bfloat16 or float32 does not",
        )
