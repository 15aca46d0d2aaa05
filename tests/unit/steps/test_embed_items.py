"""`embed_items`: each text once, right rows, nothing useless let through."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import EMBED_ITEMS, Run
from towerflow.embedding import devices, parallel
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.embedding.settings import EncoderRecord, EncoderSettings, Pooling
from towerflow.errors import InputError
from towerflow.interactions.dataset import ITEMS_FILE, Dataset
from towerflow.schema import ITEMS_SCHEMA, TOOK, ArtifactKind
from towerflow.steps.embed_items import embed_items
from towerflow.storage.artifact import new_artifact, read_manifest


def embed(run: Run, encoder: Path, folder: Path, shard: int = 0, num: int = 1, **more: Any) -> Path:
    """One shard, with the store beside it."""
    output = folder / f"shard-{shard}"
    embed_items(
        **{
            "dataset": run.dataset,
            "encoder": str(encoder),
            "embedding_store": str(folder / "store"),
            "shard": shard,
            "num_shards": num,
            "item_embeddings": output,
            "counts": folder / "counts.json",
            **EMBED_ITEMS,
            **more,
        }
    )
    return output


def test_each_row_is_the_embedding_of_its_item(shop_run: Run, tiny_encoder: Path) -> None:
    data = Dataset.open(shop_run.dataset)
    whole = ItemEmbeddings.open_for(shop_run.item_embeddings, data.content_hash, data.num_items)
    encoder = FrozenEncoder(tiny_encoder, EncoderSettings(max_tokens=64))
    for row in (0, 7, 49):
        alone = encoder.encode(encoder.tokenize([data.texts[row]]))[0]
        torch.testing.assert_close(whole.embeddings[row], alone, atol=1e-5, rtol=0)


def test_shards_part_the_items(shop_run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    shards = [embed(shop_run, tiny_encoder, tmp_path, shard, 3) for shard in range(3)]
    rows = [ItemEmbeddings.open(shard).item_index for shard in shards]
    assert sorted(torch.cat(rows).tolist()) == list(range(50))
    tokens = [read_manifest(shard).details[TOOK]["tokens"] for shard in shards]  # type: ignore
    assert max(tokens) < 1.1 * min(tokens)


def test_a_second_run_does_not_even_load_the_llm(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embed(shop_run, tiny_encoder, tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("the LLM was loaded")

    before = read_manifest(first)
    monkeypatch.setattr(parallel, "FrozenEncoder", refuse)
    after = read_manifest(embed(shop_run, tiny_encoder, tmp_path))
    assert after.content_hash == before.content_hash
    counts = json.loads((tmp_path / "counts.json").read_text("utf-8"))
    assert (counts["embedded"], counts["store_hits"], counts["tokens"]) == (0, 50, 0)


def test_the_manifest_says_which_encoder_and_what_it_took(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    output = embed(shop_run, tiny_encoder, tmp_path, pooling="last", l2="yes")
    manifest = read_manifest(output)
    record = EncoderRecord.of(output, manifest.details)
    assert record.name == tiny_encoder.name
    assert record.settings == EncoderSettings(pooling=Pooling.LAST, l2=True, max_tokens=64)
    took = manifest.details[TOOK]
    assert isinstance(took, dict)
    assert took["embedded"] == 50
    assert took["padding_share"] == 0
    assert "flop_utilisation" not in took, "nobody knows the peak of a CPU"
    counts = json.loads((tmp_path / "counts.json").read_text("utf-8"))
    assert counts == {"items": 50, "texts": 50, **took}
    described = tmp_path / "store" / record.fingerprint / "encoder.json"
    assert EncoderRecord.model_validate_json(described.read_text("utf-8")) == record


def test_equal_texts_are_embedded_once(shop_run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    texts = ["Kite", "Yoga mat", "Kite", "Kite"]
    rows = pa.table(
        {
            "item_index": range(4),
            "item_id": list("abcd"),
            "title": texts,
            "text": texts,
        }
    )
    with new_artifact(tmp_path / "d", ArtifactKind.DATASET, "test") as draft:
        pq.write_table(rows.cast(ITEMS_SCHEMA), draft.folder / ITEMS_FILE)
    output = embed(shop_run, tiny_encoder, tmp_path, dataset=tmp_path / "d")
    assert read_manifest(output).counts == {"items": 4, "texts": 2}
    embeddings = ItemEmbeddings.open(output).embeddings
    assert torch.equal(embeddings[0], embeddings[2])
    assert torch.equal(embeddings[0], embeddings[3])
    assert not torch.equal(embeddings[0], embeddings[1])


def test_more_shards_than_items_leave_some_empty(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    assert len(ItemEmbeddings.open(embed(shop_run, tiny_encoder, tmp_path, 59, 60)).item_index) == 0


def test_a_gpu_that_is_not_used_is_told(
    shop_run: Run,
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(devices, "NVIDIA_DEVICE", tmp_path / "nvidia0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    embed(shop_run, tiny_encoder, tmp_path)
    assert "note: there is a GPU of NVIDIA, but this torch " in capsys.readouterr().out


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_useless_embeddings_name_the_item(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    def encode(self: FrozenEncoder, texts: list[list[int]]) -> torch.Tensor:
        return torch.full((len(texts), 16), bad)

    monkeypatch.setattr(FrozenEncoder, "encode", encode)
    with pytest.raises(InputError, match=r"item 'T?\w+': embedding: expected finite numbers"):
        embed(shop_run, tiny_encoder, tmp_path)
    assert not (tmp_path / "shard-0").exists()


def test_a_folder_without_a_model_is_refused(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a model folder with config\.json"):
        embed(shop_run, tmp_path, tmp_path)


def test_another_encoder_than_the_live_models_is_refused_before_it_reads(
    shop_run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    wanted = EncoderRecord.of("", read_manifest(shop_run.model).details).fingerprint
    embed(shop_run, tiny_encoder, tmp_path, encoder_fingerprint=wanted)
    with pytest.raises(InputError, match=r"that the model was trained with.*settings differ"):
        embed(shop_run, tiny_encoder, tmp_path, encoder_fingerprint=wanted, max_tokens=63)
