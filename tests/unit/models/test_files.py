"""A model read back scores as it did, with its own settings; what can't be read is refused."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.models.examples import EMBEDDINGS, EXAMPLES, HISTORIES, ITEM_IDS
from towerflow.errors import InputError
from towerflow.models.blend import Blend
from towerflow.models.files import (
    CONFIG_FILE,
    ITEM_IDS_FILE,
    MODELS,
    TENSORS_FILE,
    load_model,
    save_model,
)
from towerflow.models.learn import Learn
from towerflow.models.sasrec import SASRec


def test_there_is_an_example_of_every_kind() -> None:
    assert {model.kind for model in EXAMPLES.values()} == set(MODELS)


@pytest.mark.parametrize("name", EXAMPLES)
@torch.inference_mode()
def test_saved_and_loaded_it_scores_the_same(name: str, tmp_path: Path) -> None:
    model, other = EXAMPLES[name], EMBEDDINGS * 3 + 5  # not the catalogue that it was fitted on
    save_model(model, ITEM_IDS, tmp_path)
    loaded = load_model(tmp_path)
    assert type(loaded) is type(model)
    assert loaded.serves_new_items == model.serves_new_items
    assert torch.equal(loaded.item_vectors(other), model.item_vectors(other))
    found = loaded.user_vectors(HISTORIES, other)
    assert torch.equal(found, model.user_vectors(HISTORIES, other))
    assert found[0].any()
    assert loaded.config() == model.config()


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith(("learn", "sas"))])
def test_it_keeps_its_settings_and_is_ready_to_score(name: str, tmp_path: Path) -> None:
    model = EXAMPLES[name]
    save_model(model, ITEM_IDS, tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(model, Learn | SASRec)
    assert isinstance(loaded, Learn | SASRec)
    assert loaded.settings == model.settings
    assert loaded.config() == model.config()
    assert not loaded.training


def test_the_members_of_a_blend_keep_their_settings_and_are_ready_to_score(tmp_path: Path) -> None:
    model = EXAMPLES["blend"]
    save_model(model, ITEM_IDS, tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(model, Blend)
    assert isinstance(loaded, Blend)
    assert loaded.weights == [0.7, 0.3]
    assert [type(member) for member in loaded.members] == [Learn, SASRec]
    for mine, theirs in zip(loaded.members, model.members, strict=True):
        assert mine.settings == theirs.settings
        assert not mine.training


def test_the_ids_of_the_catalogue_lie_beside_the_model(tmp_path: Path) -> None:
    save_model(EXAMPLES["popularity"], ITEM_IDS, tmp_path)
    assert pq.read_table(tmp_path / ITEM_IDS_FILE).to_pydict() == {"item_id": ITEM_IDS}


@pytest.mark.parametrize(("config", "found"), [({"kind": "oracle"}, "oracle"), ({}, "None")])
def test_an_unknown_kind_is_refused_with_the_file_and_every_kind(
    tmp_path: Path, config: dict[str, str], found: str
) -> None:
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        load_model(tmp_path)
    kinds = " or ".join(MODELS)
    assert str(caught.value) == f"{tmp_path / CONFIG_FILE}: kind: expected {kinds}, found {found}."


@pytest.mark.parametrize("name", ["learn of both", "sasrec", "blend", "item-kNN", "popularity"])
def test_a_model_that_lacks_a_tensor_is_refused(tmp_path: Path, name: str) -> None:
    save_model(EXAMPLES[name], ITEM_IDS, tmp_path)
    tensors = load_file(tmp_path / TENSORS_FILE)
    tensors.pop(max(tensors))
    save_file(tensors, tmp_path / TENSORS_FILE)
    expected = f"expected a {EXAMPLES[name].kind} of this version of Towerflow"
    with pytest.raises(InputError, match=expected) as caught:
        load_model(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("settings", {"kind": "learn", "widht": 8}),  # a setting that is not known
        ("settings", {"kind": "learn", "width": 24}),  # tensors of another size
        ("num_items", 9),
    ],
)
def test_a_config_of_another_form_is_refused(tmp_path: Path, part: str, content: object) -> None:
    save_model(EXAMPLES["learn of both"], ITEM_IDS, tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text("utf-8"))
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config | {part: content}), "utf-8")
    with pytest.raises(InputError, match="expected a learn of this version of Towerflow"):
        load_model(tmp_path)


@pytest.mark.parametrize("part", ["settings", "num_items", "embedding_dim"])
def test_a_config_that_lacks_something_is_refused_by_its_name(tmp_path: Path, part: str) -> None:
    save_model(EXAMPLES["learn"], ITEM_IDS, tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text("utf-8"))
    del config[part]
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=f"this version of Towerflow, found '{part}'"):
        load_model(tmp_path)


def test_a_blend_with_a_member_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    save_model(EXAMPLES["blend"], ITEM_IDS, tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text("utf-8"))
    config["members"][1]["kind"] = "oracle"
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"a blend of this version of Towerflow, found 'oracle'"):
        load_model(tmp_path)
