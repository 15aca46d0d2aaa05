"""`embed_items` with the model and the store in a bucket, on a real object-store server."""

from pathlib import Path

import pytest
import torch
from google.cloud import storage

from tests.conftest import EMBED_ITEMS, Run
from tests.storage.conftest import BUCKET
from towerflow.embedding import store_care
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.steps.embed_items import embed_items
from towerflow.storage.artifact import read_manifest

STORE = f"gs://{BUCKET}/store"
MODEL = f"gs://{BUCKET}/models/tiny"


@pytest.fixture
def model(bucket: storage.Bucket, tiny_encoder: Path) -> str:
    """The tiny LLM in the bucket."""
    for path in tiny_encoder.iterdir():
        bucket.blob(f"models/tiny/{path.name}").upload_from_filename(str(path))
    return MODEL


def embed(run: Run, folder: Path, encoder: str) -> Path:
    """All items of the shop."""
    embed_items(
        dataset=run.dataset,
        encoder=encoder,
        embedding_store=STORE,
        shard=0,
        num_shards=1,
        item_embeddings=folder / "embeddings",
        counts=folder / "counts.json",
        **EMBED_ITEMS,
    )
    return folder / "embeddings"


def test_it_gives_what_disks_give_and_reads_nothing_twice(
    model: str, shop_run: Run, tmp_path: Path
) -> None:
    first = embed(shop_run, tmp_path / "1", model)
    expected = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    torch.testing.assert_close(ItemEmbeddings.open(first).embeddings, expected, atol=1e-5, rtol=0)
    second = embed(shop_run, tmp_path / "2", model)
    took = read_manifest(second).details["took"]
    assert isinstance(took, dict)
    assert (took["embedded"], took["store_hits"]) == (0, 50)
    assert read_manifest(first).content_hash == read_manifest(second).content_hash


def test_a_store_in_a_bucket_is_looked_after_like_any_other(
    model: str, shop_run: Run, tmp_path: Path
) -> None:
    embed(shop_run, tmp_path, model)
    (store,) = store_care.stores(STORE)
    assert store_care.stats(store).texts == 50
    assert store.encoder.name == MODEL
    assert store_care.verify(store) == []
    list(store_care.compact(store))
    assert store_care.stats(store).texts == 50


def test_a_model_that_is_not_there_is_named(
    bucket: storage.Bucket,
    shop_run: Run,
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=f"gs://{BUCKET}/models/none: .* found no such folder"):
        embed(shop_run, tmp_path, f"gs://{BUCKET}/models/none")
