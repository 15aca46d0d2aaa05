"""Matrices on disk: of just the form that is written, whatever else a file may hold."""

from pathlib import Path

import numpy as np
import pytest

from towerflow.errors import InputError
from towerflow.retrieval.rows_file import open_rows


def test_rows_are_mapped_not_read(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "a.npy", rows)
    assert isinstance(open_rows(tmp_path / "a.npy"), np.memmap)
    assert open_rows(tmp_path / "a.npy").tolist() == rows.tolist()


@pytest.mark.parametrize(
    "shape",
    [f"({10**40}, 2)", "(-1, 2)", "(True, 2)", "(3,)", f"({10**9}, 2)", "(2, 2)", "(3, -2)"],
)
def test_a_header_of_another_shape_than_the_file_is_refused(shape: str, tmp_path: Path) -> None:
    """Room for 3 × 2 numbers, and what says it is something else, as long as it has to be."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    long = b"\0" * 24 if shape != "(2, 2)" else b"\0" * 2**17
    (tmp_path / "a.npy").write_bytes(magic + header.encode() + long)
    with pytest.raises(InputError, match=r"a\.npy: expected rows of float32"):
        open_rows(tmp_path / "a.npy")


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[Trap(tmp_path / "sprung")]], dtype=object), allow_pickle=True)
    np.load(path, allow_pickle=True)
    assert (tmp_path / "sprung").exists(), "the trap works"
    (tmp_path / "sprung").unlink()
    with pytest.raises(InputError, match="expected rows of float32"):
        open_rows(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((3, 2)), r"float64 of shape \(3, 2\)"),
        (np.zeros((3, 2), dtype=">f4"), r">f4 of shape"),
        (np.zeros(3, dtype=np.float32), r"float32 of shape \(3,\)"),
        (np.zeros((3, 2), dtype=np.int32), "int32 of shape"),
        (np.zeros((3, 0), dtype=np.float32), r"float32 of shape \(3, 0\)"),
        (np.zeros((3, 2), dtype=np.float32, order="F"), r"float32 of shape \(3, 2\)"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, found: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=f"expected rows of float32, found {found}"):
        open_rows(tmp_path / "a.npy")


@pytest.mark.parametrize("length", [0, 1, 6, 20, 127, 128, 128 + 23])
def test_a_part_of_an_array_is_refused(length: int, tmp_path: Path) -> None:
    """128 bytes say what it is; 3 × 2 numbers of 4 bytes follow."""
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 2), dtype=np.float32))
    content = path.read_bytes()
    assert len(content) == 128 + 24
    path.write_bytes(content[:length])
    with pytest.raises(InputError, match=r"a\.npy: expected rows of float32"):
        open_rows(path)


def test_an_archive_of_arrays_is_no_array(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, vectors=np.ones((3, 2), dtype=np.float32))
    with pytest.raises(InputError, match=r"a\.npy: expected rows of float32"):
        open_rows(tmp_path / "a.npy")
