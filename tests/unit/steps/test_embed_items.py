"""`embed_items`: each text once, right rows, nothing useless let through."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import Run
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.steps import embed_items as step
from towerflow.storage.artifact import read_manifest


def embed(run: Run, encoder: Path, store: Path, output: Path, shard: int, num_shards: int) -> None:
    """One shard."""
    step.embed_items(
        dataset=run.dataset,
        encoder=str(encoder),
        max_tokens=64,
        embedding_store=str(store),
        shard=shard,
        num_shards=num_shards,
        item_embeddings=output,
    )


def test_each_row_is_the_embedding_of_its_item(shop_run: Run, tiny_encoder: Path) -> None:
    data = Dataset.open(shop_run.dataset)
    whole = ItemEmbeddings.open_for(shop_run.item_embeddings, data.content_hash, data.num_items)
    encoder = FrozenEncoder(tiny_encoder, max_tokens=64)
    for row in (0, 7, 49):
        alone = encoder.encode([data.texts[row]])[0]
        torch.testing.assert_close(whole.embeddings[row], alone, atol=1e-5, rtol=0)


def test_shards_part_the_items(shop_run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    for shard in range(3):
        embed(shop_run, tiny_encoder, tmp_path / "store", tmp_path / f"{shard}", shard, 3)
    rows = [ItemEmbeddings.open(tmp_path / f"{shard}").item_index for shard in range(3)]
    assert sorted(torch.cat(rows).tolist()) == list(range(50))


def test_a_second_run_does_not_even_load_the_llm(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(shop_run, tiny_encoder, tmp_path / "store", tmp_path / "first", 0, 1)

    def refuse(*_: object) -> None:
        raise AssertionError("the LLM was loaded")

    monkeypatch.setattr(step, "FrozenEncoder", refuse)
    embed(shop_run, tiny_encoder, tmp_path / "store", tmp_path / "second", 0, 1)
    first, second = (read_manifest(tmp_path / name) for name in ("first", "second"))
    assert first.counts["embedded"] == 50
    assert second.counts["embedded"] == 0
    assert second.content_hash == first.content_hash


def test_more_shards_than_items_leave_some_empty(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    embed(shop_run, tiny_encoder, tmp_path / "store", tmp_path / "last", 59, 60)
    assert len(ItemEmbeddings.open(tmp_path / "last").item_index) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_useless_embeddings_name_the_text(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    def encode(self: FrozenEncoder, texts: list[str]) -> torch.Tensor:
        return torch.full((len(texts), 16), bad)

    monkeypatch.setattr(FrozenEncoder, "encode", encode)
    with pytest.raises(InputError, match=r"the embedding of 'Title: .*finite numbers"):
        embed(shop_run, tiny_encoder, tmp_path / "store", tmp_path / "out", 0, 1)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_model_is_refused(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a model folder with config\.json"):
        embed(shop_run, tmp_path, tmp_path / "store", tmp_path / "out", 0, 1)
