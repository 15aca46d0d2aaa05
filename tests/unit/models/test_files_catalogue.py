"""A model read for another catalogue scores the items that it knows as before."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.examples import EMBEDDINGS, EXAMPLES, ITEM_IDS
from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.models.files import ITEM_IDS_FILE, load_model_for, save_model

NEW_IDS = ["x", "aa"]
# Shuffled, some items gone, some new.
catalogues = st.lists(st.sampled_from(ITEM_IDS + NEW_IDS), unique=True, min_size=1)
histories_of_users = st.lists(
    st.lists(st.sampled_from(ITEM_IDS), max_size=5), min_size=1, max_size=4
)
OF_NEW_IDS = dict(zip(NEW_IDS, torch.randn(2, 4, generator=torch.manual_seed(7)), strict=True))
OF_IDS = dict(zip(ITEM_IDS, EMBEDDINGS, strict=True)) | OF_NEW_IDS


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every model as it was saved, by name."""
    saved = {name: tmp_path_factory.mktemp("model") for name in EXAMPLES}
    for name, folder in saved.items():
        save_model(EXAMPLES[name], ITEM_IDS, folder)
    return saved


def embeddings_of(item_ids: list[str]) -> torch.Tensor:
    """Row = item."""
    return torch.stack([OF_IDS[item_id] for item_id in item_ids])


def lists_of(histories: list[list[str]], item_ids: list[str]) -> ItemLists:
    """By index in this catalogue."""
    return ItemLists.from_lists([[item_ids.index(item) for item in row] for row in histories])


@pytest.mark.parametrize("name", EXAMPLES)
@given(catalogue=catalogues, histories=histories_of_users)
@settings(max_examples=25)
@torch.inference_mode()
def test_items_that_were_kept_score_as_before(
    folders: dict[str, Path], name: str, catalogue: list[str], histories: list[list[str]]
) -> None:
    taken = [[item for item in row if item in catalogue] for row in histories]
    scores = []
    for item_ids in (ITEM_IDS, catalogue):
        model, embeddings = load_model_for(folders[name], item_ids), embeddings_of(item_ids)
        users = model.user_vectors(lists_of(taken, item_ids), embeddings)
        items = model.item_vectors(embeddings)
        assert len(items) == len(item_ids)
        kept = [item_ids.index(item) for item in ITEM_IDS if item in catalogue]
        scores.append(users @ items[kept].T)
    torch.testing.assert_close(scores[1], scores[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", EXAMPLES)
@torch.inference_mode()
def test_it_can_be_saved_again_with_the_other_catalogue(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    other = ["x", *reversed(ITEM_IDS)]
    model = load_model_for(folders[name], other)
    save_model(model, other, tmp_path)
    loaded, embeddings = load_model_for(tmp_path, other), embeddings_of(other)
    assert torch.equal(loaded.item_vectors(embeddings), model.item_vectors(embeddings))
    taken = lists_of([["a", "x", "f"], ["c"]], other)
    found = loaded.user_vectors(taken, embeddings)
    assert torch.equal(found, model.user_vectors(taken, embeddings))


@pytest.mark.parametrize("name", EXAMPLES)
@torch.inference_mode()
def test_there_and_back_again_it_is_what_it_was(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    other = ["x", *reversed(ITEM_IDS)]
    save_model(load_model_for(folders[name], other), other, tmp_path)
    again, vectors = load_model_for(tmp_path, ITEM_IDS), EXAMPLES[name].item_vectors(EMBEDDINGS)
    torch.testing.assert_close(again.item_vectors(EMBEDDINGS), vectors)


@pytest.mark.parametrize("name", EXAMPLES)
def test_over_its_own_catalogue_it_is_itself(folders: dict[str, Path], name: str) -> None:
    loaded, tensors = load_model_for(folders[name], tuple(ITEM_IDS)), EXAMPLES[name].tensors()
    assert loaded.tensors().keys() == tensors.keys()
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in loaded.tensors().items())


def test_a_model_that_lacks_its_item_ids_is_refused(tmp_path: Path) -> None:
    """As the version before this one wrote it, under the same schema version."""
    save_model(EXAMPLES["content_mean"], ITEM_IDS, tmp_path)
    (tmp_path / ITEM_IDS_FILE).unlink()
    with pytest.raises(InputError, match=r"item_ids\.parquet: expected ids that the model"):
        load_model_for(tmp_path, ITEM_IDS)
