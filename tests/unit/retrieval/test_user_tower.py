"""The user tower without torch: as the model says, whoever asks and however many."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.examples import EMBEDDINGS, EXAMPLES, NUM_KNOWN
from towerflow.errors import InputError
from towerflow.interactions.histories import ItemLists
from towerflow.retrieval import user_tower
from towerflow.retrieval.tower_export import export_user_tower
from towerflow.retrieval.user_tower import STRANGER, UserTower

NAMES = ["learn", "blend", "graph", "item-kNN", "popularity"]
NUM_USERS = 3
HISTORIES = [[0, 1, 2, 5], [], [3], [4, 4, 4, 4, 4], [5, 5], [0, 1, 2, 3, 4] * 30, [2, 0]]
some_histories = st.lists(st.lists(st.integers(0, 5), max_size=9), max_size=6)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each name with its tower."""
    root = tmp_path_factory.mktemp("towers")
    for name in NAMES:
        (root / name).mkdir()
        export_user_tower(EXAMPLES[name], EMBEDDINGS, NUM_USERS, root / name)
    return root


@cache
def opened(folder: Path) -> UserTower:
    return UserTower.open(folder, num_threads=1)


@torch.inference_mode()
def model_says(
    name: str, histories: list[list[int]], users: list[int] | None = None
) -> user_tower.Floats:
    """With all of them known, or none."""
    lists = ItemLists.from_lists(histories)
    if users is not None:
        lists = replace(lists, user_index=np.array(users))
    vectors: user_tower.Floats = EXAMPLES[name].user_vectors(lists, EMBEDDINGS).numpy()
    return vectors


def close(found: user_tower.Floats, expected: user_tower.Floats) -> bool:
    """To 1e-5, of the same shape."""
    return found.shape == expected.shape and np.allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@given(histories=some_histories)
@settings(max_examples=30)
def test_vectors_are_the_models(root: Path, name: str, histories: list[list[int]]) -> None:
    found = opened(root / name).vectors(histories)
    assert found.dtype == np.float32
    assert close(found, model_says(name, histories))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("numbers", [1, 100, 1000])
def test_in_blocks_of_any_size_they_come_in_the_order_asked(
    root: Path, name: str, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_tower, "NUMBERS_AT_ONCE", numbers)
    assert close(opened(root / name).vectors(HISTORIES), model_says(name, HISTORIES))


def test_a_block_is_of_like_lengths_and_bounded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_tower, "NUMBERS_AT_ONCE", 40)
    tower = opened(root / "item-kNN")  # rows of 2, vectors of 6
    blocks = [block.tolist() for block in tower._blocks(np.array([1, 9, 0, 3, 1, 1]))]
    # 9 × (2 + 9) + 6 = 105; 3 × (2 + 3) + 6 = 21; 1 × (2 + 1) + 6 = 9, of which 4 go into 40.
    assert blocks == [[1], [3], [0, 4, 5, 2]]


def test_arrays_are_histories_too(root: Path) -> None:
    arrays = [np.array(history, dtype=np.int64) for history in HISTORIES]
    tower = opened(root / "learn")
    assert np.array_equal(tower.vectors(arrays), tower.vectors(HISTORIES))


def test_what_a_tower_is(root: Path) -> None:
    found = {
        name: (tower.dim, tower.num_items, tower.knows_users)
        for name in NAMES
        for tower in [opened(root / name)]
    }
    assert found == {
        "learn": (3, 6, False),
        "blend": (3 + 8, 6, False),
        "graph": (3, 6, True),
        "item-kNN": (6, 6, False),
        "popularity": (1, 6, False),
    }


def test_of_long_histories_only_what_is_read_is_fetched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learn reads the last two; so does SASRec, but of the items that it knows."""
    new = NUM_KNOWN
    for name, expected in [
        ("learn", [[0, new], [1], []]),
        ("blend", [[3, 0, new], [1], []]),
        ("graph", [[1, 2, 3, 0], [1], []]),
        ("popularity", [[], [], []]),
    ]:
        tower = opened(root / name)
        left = tower._without_the_unread(ItemLists.from_lists([[1, 2, 3, 0, new], [1], []]))
        assert [left[user].tolist() for user in range(3)] == expected


@given(
    st.lists(
        st.tuples(st.integers(STRANGER, 1), st.lists(st.integers(0, 5), max_size=6)), max_size=6
    )
)
@settings(max_examples=40)
def test_known_users_and_strangers_are_told_apart(
    root: Path, asked: list[tuple[int, list[int]]]
) -> None:
    histories = [history for _, history in asked]
    who = np.array([user for user, _ in asked], dtype=np.int64)
    found = opened(root / "graph").vectors(histories, who)
    for vector, (user, history) in zip(found, asked, strict=True):
        users = None if user == STRANGER else [user]
        assert close(vector[np.newaxis], model_says("graph", [history], users))


def test_nobody_is_a_stranger_to_all(root: Path) -> None:
    tower = opened(root / "graph")
    strangers = np.full(len(HISTORIES), STRANGER)
    assert np.array_equal(tower.vectors(HISTORIES), tower.vectors(HISTORIES, strangers))
    known = tower.vectors(HISTORIES, np.ones(len(HISTORIES), dtype=np.int64))
    assert not np.isclose(known, tower.vectors(HISTORIES)).all(axis=1).any()


def test_who_asks_is_nothing_to_a_tower_that_knows_no_users(root: Path) -> None:
    tower = opened(root / "learn")
    assert np.array_equal(tower.vectors([[1]], np.array([77])), tower.vectors([[1]]))


@pytest.mark.parametrize("item", [-1, 6])
def test_items_that_are_not_there_are_refused(root: Path, item: int) -> None:
    with pytest.raises(InputError, match=f"a history: expected items from 0 to 5, found {item}"):
        opened(root / "learn").vectors([[0], [1, item]])


@pytest.mark.parametrize("user", [-2, 3])
def test_users_that_are_not_there_are_refused(root: Path, user: int) -> None:
    with pytest.raises(InputError, match=f"users: expected users from -1 to 2, found {user}"):
        opened(root / "graph").vectors([[0], [1]], np.array([0, user]))


@pytest.mark.parametrize("name", ["item_inputs.npy", "user_inputs.npy", "user_tower.onnx"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"PK\x03\x04"])
def test_missing_and_broken_files_are_named(
    root: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    for path in (root / "graph").iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
        elif content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        UserTower.open(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((6, 8), dtype=np.float32),
        np.zeros((6, 9)),
        np.zeros(9, dtype=np.float32),
    ],
)
def test_rows_that_do_not_fit_the_graph_are_refused(
    root: Path, tmp_path: Path, rows: user_tower.Floats
) -> None:
    (tmp_path / "user_tower.onnx").write_bytes((root / "learn" / "user_tower.onnx").read_bytes())
    np.save(tmp_path / "item_inputs.npy", rows)
    with pytest.raises(InputError, match=r"item_inputs\.npy: expected (rows|9 numbers)"):
        UserTower.open(tmp_path)


def test_pickled_rows_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "user_tower.onnx").write_bytes((root / "learn" / "user_tower.onnx").read_bytes())
    np.save(tmp_path / "item_inputs.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"item_inputs\.npy: expected rows of float32"):
        UserTower.open(tmp_path)


@pytest.mark.parametrize("properties", [{}, {"reads": "?"}, {"reads": '[{"flag": 8}]'}])
def test_a_graph_that_does_not_say_what_it_reads_is_refused(
    root: Path, tmp_path: Path, properties: dict[str, str]
) -> None:
    import onnx

    model = onnx.load(root / "learn" / "user_tower.onnx")
    model.ClearField("metadata_props")
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, tmp_path / "user_tower.onnx")
    (tmp_path / "item_inputs.npy").write_bytes((root / "learn" / "item_inputs.npy").read_bytes())
    with pytest.raises(InputError, match=r"user_tower\.onnx: reads: expected what is read"):
        UserTower.open(tmp_path)


def test_a_graph_of_something_else_is_refused(tmp_path: Path) -> None:
    import onnx

    some = [onnx.helper.make_tensor_value_info(name, 1, [None]) for name in "xy"]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "other", some[:1], some[1:])
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "o")
    (tmp_path / "o").rename(tmp_path / "user_tower.onnx")
    with pytest.raises(InputError, match=r"expected a graph .*, found one from x to y"):
        UserTower.open(tmp_path)


def test_it_needs_neither_torch_nor_the_pipeline(root: Path) -> None:
    script = f"""
import json, sys
for name in ("torch", "kfp", "transformers", "apache_beam", "onnx", "onnxscript", "safetensors"):
    sys.modules[name] = None
from pathlib import Path
from towerflow.retrieval.user_tower import UserTower
tower = UserTower.open(Path({str(root / "blend")!r}))
print(json.dumps(tower.vectors({HISTORIES}).tolist()))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert close(np.array(json.loads(told.stdout)), model_says("blend", HISTORIES))
