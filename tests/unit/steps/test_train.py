"""`train`: by recipe, repeatable, from an initial model, resumed, recorded."""

import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.conftest import SMALL_RECIPE, Run
from tests.manifests import change_details
from towerflow.errors import InputError
from towerflow.models.content_mean import ContentMean
from towerflow.models.files import load_model
from towerflow.models.item_to_item import ItemToItem
from towerflow.models.learn import Learn
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.recipes import OWN_SEED, recipe_names
from towerflow.schema import TOOK, Manifest
from towerflow.steps import train as train_module
from towerflow.steps.train import train
from towerflow.storage.artifact import read_manifest
from towerflow.training import loop
from towerflow.training.launch import TrainingProcessFailed
from towerflow.training.ranks import Ranks

THREE_EPOCHS = SMALL_RECIPE.replace("epochs: 60", "epochs: 3")
NO_EPOCHS = SMALL_RECIPE.replace("epochs: 60", "epochs: 0")


def train_from(
    shop_run: Run,
    model: Path,
    recipe: str = THREE_EPOCHS,
    initial_model: str | Path = "",
    checkpoints: str | Path = "",
    seed: int = OWN_SEED,
) -> None:
    train(
        shop_run.dataset,
        shop_run.item_embeddings,
        recipe,
        seed,
        str(initial_model),
        str(checkpoints),
        model,
    )


def repeatable(folder: Path) -> Manifest:
    """The manifest, but for how long training took."""
    manifest = read_manifest(folder)
    details = {name: value for name, value in manifest.details.items() if name != TOOK}
    return manifest.model_copy(update={"details": details, "manifest_hash": ""})


def have_same_weights(one: Path, other: Path) -> bool:
    theirs = load_model(other).tensors()
    mine = load_model(one).tensors()
    return set(mine) == set(theirs) and all(torch.equal(mine[n], theirs[n]) for n in mine)


@pytest.mark.parametrize(
    ("recipe", "model"),
    [
        ("popularity", Popularity),
        ("content-mean", ContentMean),
        ("item-knn", ItemToItem),
        ("ease", ItemToItem),
        (THREE_EPOCHS, Learn),
    ],
)
def test_the_recipe_names_the_model(
    shop_run: Run, tmp_path: Path, recipe: str, model: type[RetrievalModel]
) -> None:
    train_from(shop_run, tmp_path / "model", recipe)
    assert isinstance(load_model(tmp_path / "model"), model)
    named = read_manifest(tmp_path / "model").details["recipe"]
    assert named == (recipe if recipe in recipe_names() else "own")


def test_the_same_seed_gives_the_same_weights_to_the_byte(shop_run: Run, tmp_path: Path) -> None:
    train_from(shop_run, tmp_path / "again", SMALL_RECIPE)
    assert repeatable(tmp_path / "again") == repeatable(shop_run.model)


def test_a_seed_takes_the_place_of_the_recipes_own(shop_run: Run, tmp_path: Path) -> None:
    with_four = THREE_EPOCHS.replace("patience", "seed: 4, patience")
    train_from(shop_run, tmp_path / "own", with_four)
    train_from(shop_run, tmp_path / "asked", THREE_EPOCHS, seed=4)
    train_from(shop_run, tmp_path / "other", with_four, seed=5)
    assert have_same_weights(tmp_path / "asked", tmp_path / "own")
    assert not have_same_weights(tmp_path / "other", tmp_path / "own")
    details = {name: read_manifest(tmp_path / name).details for name in ("own", "asked", "other")}
    assert {name: found["seed"] for name, found in details.items()} == {
        "own": OWN_SEED,
        "asked": 4,
        "other": 5,
    }
    assert details["asked"]["settings"] == details["own"]["settings"]


def test_a_seed_below_the_recipes_own_is_refused(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seed: expected 0 or more, or -1: .* found -2"):
        train_from(shop_run, tmp_path / "model", seed=-2)
    assert not (tmp_path / "model").exists()


def test_the_time_that_training_took_is_no_part_of_the_content(
    shop_run: Run, tmp_path: Path
) -> None:
    train_from(shop_run, tmp_path / "again", SMALL_RECIPE)
    again, before = (read_manifest(folder) for folder in (tmp_path / "again", shop_run.model))
    assert again.content_hash == before.content_hash
    for manifest in (again, before):
        took = manifest.details[TOOK]
        assert isinstance(took, dict)
        assert took["seconds"] > 0


def curve_of(folder: Path) -> list[dict[str, float]]:
    """The one that a LEARN has."""
    curves = read_manifest(folder).details["curves"]
    assert isinstance(curves, dict)
    assert list(curves) == ["learn"]
    return curves["learn"]


def test_the_manifest_keeps_settings_and_curve(shop_run: Run) -> None:
    manifest, curve = read_manifest(shop_run.model), curve_of(shop_run.model)
    assert isinstance(curve, list)
    assert manifest.counts["epochs"] == 60
    assert [epoch["epoch"] for epoch in curve] == list(range(1, 61))
    assert curve[-1]["loss"] < curve[0]["loss"]
    settings = manifest.details["settings"]
    assert settings["model"]["width"] == 16
    assert settings["training"]["objective"]["kind"] == "next_item"
    assert manifest.inputs == {
        "dataset": read_manifest(shop_run.dataset).content_hash,
        "item_embeddings": read_manifest(shop_run.item_embeddings).content_hash,
    }


def test_an_unknown_recipe_lists_the_known_ones(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{' or '.join(recipe_names())}, found 'lern'"):
        train_from(shop_run, tmp_path / "model", "lern")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("source", ["model", "index", "release"])
def test_weights_are_carried_over_from_a_model_an_index_or_a_release(
    shop_run: Run, tmp_path: Path, source: str
) -> None:
    release = shop_run.release_root / "releases" / shop_run.release_id
    folder = {"model": shop_run.model, "index": shop_run.index, "release": release}[source]
    train_from(shop_run, tmp_path / "model", NO_EPOCHS, folder)
    assert have_same_weights(tmp_path / "model", shop_run.model)
    manifest = read_manifest(tmp_path / "model")
    assert manifest.inputs["initial_model"] == read_manifest(folder).content_hash
    assert manifest.counts["epochs"] == 0
    assert curve_of(tmp_path / "model") == []


def test_training_goes_on_from_the_initial_model(shop_run: Run, tmp_path: Path) -> None:
    train_from(shop_run, tmp_path / "model", THREE_EPOCHS, shop_run.model)
    curves = [curve_of(folder) for folder in (shop_run.model, tmp_path / "model")]
    assert curves[1][0]["loss"] < curves[0][0]["loss"]
    assert not have_same_weights(tmp_path / "model", shop_run.model)


def test_what_is_no_model_can_not_be_started_from(shop_run: Run, tmp_path: Path) -> None:
    expected = "expected a RetrievalModel, an Index or a release, found dataset"
    with pytest.raises(InputError, match=expected):
        train_from(shop_run, tmp_path / "model", initial_model=shop_run.dataset)
    with pytest.raises(InputError, match="nowhere"):
        train_from(shop_run, tmp_path / "model", initial_model=tmp_path / "nowhere")
    assert not (tmp_path / "model").exists()


def test_an_initial_model_that_does_not_fit_the_recipe_is_refused(
    shop_run: Run, tmp_path: Path
) -> None:
    wider = THREE_EPOCHS.replace("width: 16", "width: 32")
    with pytest.raises(InputError, match=r"model\.width: expected 16, .*found 32"):
        train_from(shop_run, tmp_path / "model", wider, shop_run.model)
    assert not (tmp_path / "model").exists()


def test_an_initial_model_of_another_encoder_is_refused(shop_run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(shop_run.model, other)
    details: dict[str, Any] = read_manifest(other).details
    details["encoder"] |= {"fingerprint": "0" * 16, "name": "another-llm"}
    change_details(other, details)
    with pytest.raises(InputError, match=r"embeddings of tiny-encoder.*found one of another-llm"):
        train_from(shop_run, tmp_path / "model", initial_model=other)
    assert not (tmp_path / "model").exists()


def interrupt(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str = THREE_EPOCHS
) -> None:
    """Fail before the third epoch."""
    run_epoch = loop._run_epoch

    def fail_late(number: int, *arguments: object) -> float:
        if number == 3:
            raise InterruptedError
        return run_epoch(number, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_run_epoch", fail_late)
        with pytest.raises(InterruptedError):
            train_from(shop_run, tmp_path / "lost", recipe, checkpoints=tmp_path / "states")
    assert not (tmp_path / "lost").exists()


def test_an_interrupted_run_goes_on_and_leaves_no_state_behind(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(shop_run, tmp_path, monkeypatch)
    assert len(list((tmp_path / "states").iterdir())) == 1
    numbers = []
    run_epoch = loop._run_epoch
    monkeypatch.setattr(
        loop, "_run_epoch", lambda number, *rest: numbers.append(number) or run_epoch(number, *rest)
    )
    train_from(shop_run, tmp_path / "model", checkpoints=f"{tmp_path}/states/")
    assert numbers == [3]
    assert list((tmp_path / "states").iterdir()) == []
    train_from(shop_run, tmp_path / "whole")
    assert repeatable(tmp_path / "model") == repeatable(tmp_path / "whole")


def test_a_run_of_another_recipe_or_initial_model_does_not_go_on_from_it(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(shop_run, tmp_path, monkeypatch)
    [state] = (tmp_path / "states").iterdir()
    other_seed = THREE_EPOCHS.replace("patience", "seed: 4, patience")
    for name, recipe, start in (("seed", other_seed, ""), ("start", THREE_EPOCHS, shop_run.model)):
        here, fresh = tmp_path / f"{name}-here", tmp_path / f"{name}-fresh"
        train_from(shop_run, here, recipe, start, tmp_path / "states")
        train_from(shop_run, fresh, recipe, start)
        assert repeatable(here) == repeatable(fresh)
        assert state.exists()


def test_a_run_of_another_description_is_the_same_run(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(shop_run, tmp_path, monkeypatch)
    renamed = THREE_EPOCHS.replace("small enough for a test", "in other words")
    train_from(shop_run, tmp_path / "model", renamed, checkpoints=tmp_path / "states")
    assert list((tmp_path / "states").iterdir()) == []


def test_the_state_is_kept_if_the_model_could_not_be_written(
    shop_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "save_model", full_disk)
        with pytest.raises(OSError, match="no space left"):
            train_from(shop_run, tmp_path / "model", checkpoints=tmp_path / "states")
    assert len(list((tmp_path / "states").iterdir())) == 1


def test_only_the_first_of_several_processes_writes(
    shop_run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = tmp_path / "states"
    interrupt(shop_run, tmp_path, monkeypatch)
    for rank, writes in ((1, False), (0, True)):
        monkeypatch.setattr(train_module, "Ranks", SimpleNamespace(current=partial(Ranks, rank)))
        train_from(shop_run, tmp_path / "model", checkpoints=state)
        assert (tmp_path / "model").exists() == writes
        assert ("3/3 epochs" in capsys.readouterr().out) == writes
        assert (list(state.iterdir()) == []) == writes


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As this process sees the machine; the two that it starts see none and use gloo."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


WITHOUT_DROPOUT = THREE_EPOCHS.replace("dim: 8", "dim: 8, dropout: 0")
SASREC = """
description: SASRec, small enough for a test.
model: {kind: sasrec, width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dropout: 0}
training: {epochs: 2, batch_size: 16}
"""
BLEND = """
description: a blend, small enough for a test.
model:
  kind: blend
  members:
  - weight: 0.5
    model: {kind: learn, width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dropout: 0}
    training: {epochs: 2, batch_size: 16}
  - weight: 0.5
    model: {kind: sasrec, width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dropout: 0}
    training: {epochs: 1, batch_size: 16}
"""
GRAPH = """
description: LightGCN, small enough for a test.
model: {kind: graph_cf, dim: 8}
training: {objective: {kind: lightgcn}, epochs: 2, batch_size: 32, learning_rate: 0.01}
"""


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("recipe", "epochs"),
    [(WITHOUT_DROPOUT, 3), (SASREC, 2), (BLEND, 3)],
    ids=["learn", "sasrec", "blend"],
)
def test_two_processes_write_the_model_that_one_does(
    shop_run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    recipe: str,
    epochs: int,
) -> None:
    train_from(shop_run, tmp_path / "together", recipe, checkpoints=tmp_path / "states")
    said = capfd.readouterr().out
    assert said.count(f"{epochs}/{epochs} epochs") == 1
    assert list((tmp_path / "states").iterdir()) == []
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["states", "together"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    train_from(shop_run, tmp_path / "alone", recipe)
    together, alone = (load_model(tmp_path / name).tensors() for name in ("together", "alone"))
    assert set(together) == set(alone)
    assert all((together[name] - alone[name]).abs().max() < 1e-4 for name in alone)
    manifests = [read_manifest(tmp_path / name) for name in ("together", "alone")]
    assert manifests[0].counts == manifests[1].counts
    assert manifests[0].inputs == manifests[1].inputs


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("recipe", [GRAPH, "ease", "popularity"])
def test_what_processes_can_not_share_is_trained_by_one(
    shop_run: Run, tmp_path: Path, recipe: str
) -> None:
    train_from(shop_run, tmp_path / "model", recipe)  # fit refuses a graph in several
    assert (tmp_path / "model" / "manifest.json").exists()


@pytest.mark.usefixtures("two_gpus")
def test_a_mistake_that_processes_find_is_told_in_a_sentence(
    shop_run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wider = THREE_EPOCHS.replace("width: 16", "width: 32")
    with pytest.raises(InputError, match=r"model\.width: expected 16, .*found 32"):
        train_from(shop_run, tmp_path / "model", wider, shop_run.model)
    assert "Traceback" not in capfd.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.usefixtures("two_gpus")
def test_two_processes_go_on_where_two_were_interrupted(
    shop_run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingProcessFailed, match="FileExistsError"):
        train_from(shop_run, tmp_path / "file" / "model", checkpoints=tmp_path / "states")
    assert "3/3 epochs" in capfd.readouterr().out
    [state] = (tmp_path / "states").iterdir()
    content = state.read_bytes()
    train_from(shop_run, tmp_path / "model", checkpoints=tmp_path / "states")
    assert list((tmp_path / "states").iterdir()) == []
    train_from(shop_run, tmp_path / "whole")
    assert have_same_weights(tmp_path / "model", tmp_path / "whole")
    state.write_bytes(content[:-1])
    train_from(shop_run, tmp_path / "anew", checkpoints=tmp_path / "states")
    assert f"{state} is damaged" in capfd.readouterr().out  # so both look for it there
