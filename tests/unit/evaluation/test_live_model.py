"""The champion over today's catalogue: read anew, or with what its release has."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import JsonValue

from tests.conftest import Run
from towerflow.embedding.item_embeddings import ItemEmbeddings, read_embeddings
from towerflow.errors import InputError
from towerflow.evaluation.live_model import LiveModel, live_model
from towerflow.evaluation.protocol import evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.trained_on import TRAINED_ON, TrainedOn
from towerflow.models.files import load_model_for
from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import MANIFEST_FILE, ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, read_manifest

NEW = "A00"  # comes before all items of the shop


@pytest.fixture(scope="module")
def data(shop_run: Run) -> Dataset:
    return Dataset.open(shop_run.dataset)


@pytest.fixture(scope="module")
def content(shop_run: Run) -> ItemEmbeddings:
    return ItemEmbeddings.open(shop_run.item_embeddings)


def live(shop_run: Run, data: Dataset, content: ItemEmbeddings) -> LiveModel:
    found = live_model(str(shop_run.release_root), data, content)
    assert found is not None
    return found


def of_another_encoder(content: ItemEmbeddings, num_items: int) -> ItemEmbeddings:
    """Wider ones, as another LLM would give."""
    encoder = content.encoder.model_copy(update={"fingerprint": "another"})
    return replace(content, embeddings=torch.ones(num_items, 40), encoder=encoder)


def with_a_new_item(data: Dataset) -> Dataset:
    """Item NEW is the first, and the last of the shop's items is gone."""
    keep = data.item_index < data.num_items - 1
    return replace(
        data,
        item_ids=[NEW, *data.item_ids[:-1]],
        titles=["New", *data.titles[:-1]],
        texts=["New", *data.texts[:-1]],
        user_index=data.user_index[keep],
        item_index=data.item_index[keep] + 1,
        timestamp=data.timestamp[keep],
        split=data.split[keep],
    )


def test_where_nothing_is_live_there_is_no_champion(
    data: Dataset, content: ItemEmbeddings, tmp_path: Path
) -> None:
    assert live_model(str(tmp_path), data, content) is None
    assert live_model(str(tmp_path / "nowhere"), data, content) is None


def test_with_the_same_encoder_it_is_the_published_model_over_todays_embeddings(
    shop_run: Run, data: Dataset, content: ItemEmbeddings
) -> None:
    found = live(shop_run, data, content)
    assert found.release == shop_run.release_id
    assert found.embeddings is content.embeddings
    assert found.unranked.tolist() == []
    assert found.not_comparable == ""
    test = task(data, Split.TEST)
    model = load_model_for(shop_run.model, data.item_ids, data.user_ids)
    own = evaluate_model(model, content.embeddings, test, (10,))
    its = evaluate_model(found.model, found.embeddings, test, (10,), found.unranked)
    assert its.recommended.tolist() == own.recommended.tolist()


def test_with_the_same_encoder_it_reads_new_items_too(
    shop_run: Run, data: Dataset, content: ItemEmbeddings
) -> None:
    today = with_a_new_item(data)
    read = torch.cat([content.embeddings[7:8], content.embeddings[:-1]])  # reads like item 7
    found = live(shop_run, today, replace(content, embeddings=read))
    assert found.unranked.tolist() == []
    vectors = found.model.item_vectors(found.embeddings)
    torch.testing.assert_close(vectors[0], vectors[8])


def test_with_another_encoder_its_own_embeddings_serve(
    shop_run: Run, data: Dataset, content: ItemEmbeddings
) -> None:
    found = live(shop_run, data, of_another_encoder(content, data.num_items))
    assert torch.equal(found.embeddings, content.embeddings)
    assert found.unranked.tolist() == []


def test_they_are_put_in_todays_order_and_what_it_never_read_is_not_ranked(
    shop_run: Run, data: Dataset, content: ItemEmbeddings
) -> None:
    today = with_a_new_item(data)
    found = live(shop_run, today, of_another_encoder(content, today.num_items))
    assert found.unranked.tolist() == [0]
    assert found.embeddings.shape == content.embeddings.shape
    assert not found.embeddings[0].any()
    assert torch.equal(found.embeddings[1:], content.embeddings[:-1])
    test = task(today, Split.TEST)
    result = evaluate_model(found.model, found.embeddings, test, (50,), found.unranked)
    assert not (result.recommended == 0).any()
    assert (result.recommended == 1).any()


def test_rows_of_the_release_need_not_be_in_its_order(
    shop_run: Run, data: Dataset, content: ItemEmbeddings
) -> None:
    """Embeddings name their items by index, and items are found by id."""
    folder = Path(ReleaseRoot(shop_run.release_root).folder(shop_run.release_id))
    item_index, embeddings = read_embeddings(folder)
    assert torch.equal(item_index, torch.arange(data.num_items))
    ids = pq.read_table(folder / "items.parquet")["item_id"].to_pylist()
    order = np.random.default_rng(0).permutation(data.num_items)
    today = replace(data, item_ids=[ids[item] for item in order])
    found = live(shop_run, today, of_another_encoder(content, data.num_items))
    assert torch.equal(found.embeddings, embeddings[torch.from_numpy(order)])


def changed_release(shop_run: Run, folder: Path, details: dict[str, JsonValue]) -> ReleaseRoot:
    """A release root whose live release says `details` in its manifest."""
    live = Path(ReleaseRoot(shop_run.release_root).folder(shop_run.release_id))
    with new_artifact(folder / "changed", ArtifactKind.RELEASE, "test") as draft:
        ignore = shutil.ignore_patterns(MANIFEST_FILE)
        shutil.copytree(live, draft.folder, dirs_exist_ok=True, ignore=ignore)
        draft.details = {**read_manifest(live).details, **details}
    root = ReleaseRoot(folder / "root")
    root.point_to(root.add(folder / "changed"), How.PUBLISH)
    return root


def test_why_it_cannot_be_compared_is_said(
    shop_run: Run, data: Dataset, content: ItemEmbeddings, tmp_path: Path
) -> None:
    split = {"kind": "random-leave-one-out", "share": 0.1, "few_shot": "none", "seed": 0}
    trained: JsonValue = {"dataset": "0" * 64, "split": split, "made": TrainedOn.made_of(data).made}
    root = changed_release(shop_run, tmp_path, {TRAINED_ON: trained})
    found = live_model(str(root), data, content)
    assert found is not None
    assert found.not_comparable == "it was trained with other settings of split or filters"


@pytest.mark.parametrize("missing", ["trained_on", "encoder"])
def test_a_release_of_an_older_version_is_refused(
    shop_run: Run, data: Dataset, content: ItemEmbeddings, tmp_path: Path, missing: str
) -> None:
    root = changed_release(shop_run, tmp_path, {missing: None})
    with pytest.raises(InputError, match=f"{missing}: expected .* an older version made it"):
        live_model(str(root), data, content)


def test_a_damaged_release_is_refused(
    shop_run: Run, data: Dataset, content: ItemEmbeddings, tmp_path: Path
) -> None:
    root = changed_release(shop_run, tmp_path, {})
    model = Path(root.folder(str(root.current()))) / "model" / "model.safetensors"
    whole = model.read_bytes()
    for damaged in (whole[:-1], whole + b"\0", whole[:-1] + bytes([whole[-1] ^ 1])):
        model.write_bytes(damaged)
        with pytest.raises(InputError, match=r"model\.safetensors: expected (\d+ bytes|sha256)"):
            live_model(str(root), data, content)


def test_what_it_does_not_need_is_not_read(
    shop_run: Run, data: Dataset, content: ItemEmbeddings, tmp_path: Path
) -> None:
    """Embeddings of a release are large; with the same encoder today's serve."""
    root = changed_release(shop_run, tmp_path, {})
    folder = Path(root.folder(str(root.current())))
    for name in read_manifest(folder).files:
        if not name.startswith("model/"):
            (folder / name).unlink()
    assert live_model(str(root), data, content) is not None
    with pytest.raises(InputError, match=r"items\.parquet|embeddings"):
        live_model(str(root), data, of_another_encoder(content, data.num_items))
