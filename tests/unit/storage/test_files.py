"""Whole or not there: folders, files, and hashes of content."""

from pathlib import Path

import pytest

from towerflow.storage.files import files_under, new_file, new_folder, write_text


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep" / "done") as draft:
        (draft / "a").write_text("1")
        assert not (tmp_path / "deep" / "done").exists()
    assert names(tmp_path / "deep") == ["done"]
    assert (tmp_path / "deep" / "done" / "a").read_text() == "1"


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    with new_folder(tmp_path / "done") as draft:
        (draft / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "done") as draft:
        (draft / "a").write_text("new")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["done"]
    assert (tmp_path / "done" / "a").read_text() == "old"


def test_a_second_try_replaces_the_folder(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with new_folder(tmp_path / "done") as draft:
            (draft / text).write_text(text)
    assert names(tmp_path / "done") == ["second"]


def test_a_file_is_replaced_in_one_move(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "old")
    with pytest.raises(ValueError, match="stop"), new_file(tmp_path / "x") as draft:
        draft.write_text("half")
        raise ValueError("stop")
    assert (names(tmp_path), (tmp_path / "x").read_text()) == (["x"], "old")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    for name in ("b", "a/c", ".hidden", "a/.part"):
        write_text(tmp_path / name, name)
    assert [str(path.relative_to(tmp_path)) for path in files_under(tmp_path)] == ["a/c", "b"]
