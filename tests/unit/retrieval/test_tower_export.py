"""What is written of a user tower says what the model says, and holds nothing but arrays."""

import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.models.examples import EMBEDDINGS, EXAMPLES, ITEM_IDS, graph, learn, sasrec
from towerflow.interactions.histories import ItemLists
from towerflow.models.files import load_model, save_model
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.retrieval import tower_export
from towerflow.retrieval.tower_export import MAX_DIFFERENCE, export_user_tower

NUM_USERS = 3  # that the graph knows
# The others' graphs are the same; test_serving_tower.py has them all.
NAMES = [
    "learn",
    "learn of ids",  # learned positions
    "learn of both",  # rotary ones
    "sasrec",
    "blend",
    "graph",
    "item-kNN",
    "popularity",
    "content_mean",
]
Exported = Callable[[str], Path]
some_histories = st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Where the tower of each example is, each exported once."""

    @cache
    def folder_of(name: str) -> Path:
        folder = tmp_path_factory.mktemp("tower")
        export_user_tower(EXAMPLES[name], EMBEDDINGS, NUM_USERS, folder)
        return folder

    return folder_of


@cache
def session(folder: Path) -> ort.InferenceSession:
    return ort.InferenceSession(folder / "user_tower.onnx", providers=["CPUExecutionProvider"])


@cache
def program(folder: Path) -> Any:
    return torch.export.load(folder / "user_tower.pt2").module()


def inputs_of(folder: Path, histories: list[list[int]]) -> dict[str, Tensor]:
    """Of strangers; NaN in the padding."""
    rows = torch.from_numpy(np.load(folder / "item_inputs.npy"))
    longest = max(1, *map(len, histories))
    inputs = torch.full((len(histories), longest, rows.shape[1]), torch.nan)
    for number, history in enumerate(histories):
        inputs[number, : len(history)] = rows[history]
    lengths = torch.tensor([len(history) for history in histories])
    given = {"item_inputs": inputs, "lengths": lengths}
    if (folder / "user_inputs.npy").exists():
        users = np.load(folder / "user_inputs.npy")
        given["user_inputs"] = torch.zeros(len(histories), users.shape[1])
    return given


def run_onnx(folder: Path, histories: list[list[int]]) -> Tensor:
    feeds = {name: given.numpy() for name, given in inputs_of(folder, histories).items()}
    return torch.from_numpy(session(folder).run(["user_vectors"], feeds)[0])


def run_program(folder: Path, histories: list[list[int]]) -> Tensor:
    found: Tensor = program(folder)(*inputs_of(folder, histories).values())
    return found


@pytest.mark.parametrize("run", [run_onnx, run_program])
@pytest.mark.parametrize("name", NAMES)
@given(histories=some_histories)
@settings(max_examples=25)
@torch.inference_mode()
def test_either_file_gives_the_models_vectors(
    exported: Exported,
    run: Callable[[Path, list[list[int]]], Tensor],
    name: str,
    histories: list[list[int]],
) -> None:
    expected = EXAMPLES[name].user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
    found = run(exported(name), histories)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("run", [run_onnx, run_program])
@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_one_history_of_one_item_and_many_of_many(
    exported: Exported, run: Callable[[Path, list[list[int]]], Tensor], name: str
) -> None:
    """Sizes that tracing could have taken for constants."""
    for histories in ([[3]], [[]], [[4, 2, 1]], [[1]] * 5, [[0, 1, 2, 3, 4, 5] * 20] * 7):
        expected = EXAMPLES[name].user_vectors(ItemLists.from_lists(histories), EMBEDDINGS)
        found = run(exported(name), histories)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("run", [run_onnx, run_program])
@torch.inference_mode()
def test_rows_of_users_count(
    exported: Exported, run: Callable[[Path, list[list[int]]], Tensor]
) -> None:
    folder, histories = exported("graph"), [[0, 3, 0], [], [5]]
    users = torch.from_numpy(np.load(folder / "user_inputs.npy"))
    assert users[:, -1].tolist() == [1, 1, 0]
    given = inputs_of(folder, histories) | {"user_inputs": users}
    lists = ItemLists.from_lists(histories)
    expected = graph().user_vectors(ItemLists(lists.items, lists.offsets, np.arange(3)), EMBEDDINGS)
    if run is run_onnx:
        feeds = {name: one.numpy() for name, one in given.items()}
        found = torch.from_numpy(session(folder).run(None, feeds)[0])
    else:
        found = program(folder)(*given.values())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_files_and_their_inputs(exported: Exported, name: str) -> None:
    folder = exported(name)
    own = {"user_inputs": ["batch", 4]} if name.startswith("graph") else {}
    files = {"item_inputs.npy", "user_tower.onnx", "user_tower.pt2"}
    assert {path.name for path in folder.iterdir()} == files | {f"{one}.npy" for one in own}
    rows = np.load(folder / "item_inputs.npy", allow_pickle=False)
    assert (rows.dtype, len(rows)) == (np.float32, 6)
    expected = {"item_inputs": ["batch", "length", rows.shape[1]], "lengths": ["batch"]} | own
    inputs = session(folder).get_inputs()
    assert {one.name: one.shape for one in inputs} == expected
    types = {one.name: one.type for one in inputs}
    assert types.pop("lengths") == "tensor(int64)"
    assert set(types.values()) == {"tensor(float)"}
    (output,) = session(folder).get_outputs()
    dim = EXAMPLES[name].item_vectors(EMBEDDINGS).shape[1]
    assert (output.name, output.shape) == ("user_vectors", ["batch", dim])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_pickled(exported: Exported, name: str) -> None:
    with zipfile.ZipFile(exported(name) / "user_tower.pt2") as archive:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith("_config.json"):
                assert b'"use_pickle": true' not in content
            elif "/weights/" not in entry.filename and "/constants/" not in entry.filename:
                assert content[:1] not in (b"\x80", b"P"), entry.filename  # a pickle, a zip of one
            if entry.filename.endswith(".pt"):
                assert not content


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_this_machine_is_in_a_file(exported: Exported, name: str) -> None:
    for path in exported(name).iterdir():
        content = path.read_bytes()
        for part in (b"towerflow/", b"site-packages", b".py", str(Path.home()).encode()):
            assert part not in content, path.name


def test_the_same_model_gives_the_same_files(exported: Exported, tmp_path: Path) -> None:
    export_user_tower(EXAMPLES["blend"], EMBEDDINGS, NUM_USERS, tmp_path)
    for path in exported("blend").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("make", [learn, sasrec, graph])
def test_rows_are_written_block_by_block(
    make: Callable[[], RetrievalModel],
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tower_export, "ROWS_AT_ONCE", 4)
    export_user_tower(make(), EMBEDDINGS, NUM_USERS, tmp_path)
    rows = np.load(exported(make.__name__) / "item_inputs.npy")
    np.testing.assert_allclose(np.load(tmp_path / "item_inputs.npy"), rows, atol=1e-6)


@pytest.mark.parametrize("name", ["sasrec", "graph"])
def test_a_model_read_from_files_in_inference_mode(name: str, tmp_path: Path) -> None:
    """As a step does it; files hold the tower's weights and nothing else of the model's."""
    save_model(EXAMPLES[name], ITEM_IDS, tmp_path, list("xyz"))
    folder = tmp_path / "tower"
    folder.mkdir()
    with torch.inference_mode():
        assert export_user_tower(load_model(tmp_path), EMBEDDINGS, NUM_USERS, folder) <= 1e-5
    with zipfile.ZipFile(folder / "user_tower.pt2") as archive:
        sizes = {one.filename: one.file_size for one in archive.infolist()}
    weights = [size for name, size in sizes.items() if "/weight_" in name]
    assert max(weights) == {"sasrec": 3 * 8 * 8 * 4, "graph": 3 * 4}[name]


def test_the_difference_found_is_told(tmp_path: Path) -> None:
    assert 0 < export_user_tower(learn(), EMBEDDINGS, 0, tmp_path) <= MAX_DIFFERENCE


@pytest.mark.parametrize("wrong", [1e-3, torch.nan])
def test_a_tower_that_says_other_things_is_not_let_out(
    wrong: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = EXAMPLES["content_mean"]
    right = type(model).user_vectors

    def off(self: RetrievalModel, histories: ItemLists, embeddings: Tensor) -> Tensor:
        vectors = right(self, histories, embeddings)
        vectors[1, 2] += wrong
        return vectors

    monkeypatch.setattr(type(model), "user_vectors", off)
    with pytest.raises(
        RuntimeError, match=r"tower of content_mean .* (1\.0e-03|nan) away .* 1e-05"
    ):
        export_user_tower(model, EMBEDDINGS, 0, tmp_path)


def test_the_difference_is_relative_to_long_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred times the length, the same difference is a hundredth."""
    model = EXAMPLES["popularity"]
    monkeypatch.setattr(
        type(model), "user_vectors", lambda _, histories, __: torch.full((len(histories), 1), 1e6)
    )
    with pytest.raises(RuntimeError, match=r"is 1\.0e\+00 away"):
        export_user_tower(model, EMBEDDINGS, 0, tmp_path)


def test_the_exporter_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    export_user_tower(sasrec(), EMBEDDINGS, 0, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
