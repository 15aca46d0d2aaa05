"""The same promises on every store: a local folder, gs://, s3:// and minio://."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from towerflow.errors import InputError, StorageError
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import local_artifact, new_artifact, read_manifest, upload_artifact
from towerflow.storage.filesystems import (
    FoundFile,
    checksum,
    content_version,
    delete_files,
    delete_folder,
    exists,
    is_remote,
    match_files,
    open_binary,
    read_parquet,
    read_versioned,
    size,
    store_of,
    write_bytes,
    write_if,
    write_parquet,
)
from towerflow.storage.object_store import ABSENT, Conflict, Versioned, unheard
from towerflow.storage.transfer import download_files, upload_files

LARGE = 17 * 2**20  # bytes: more than one request in either direction


def random_bytes(count: int) -> bytes:
    """The same each time."""
    return random.Random(count).randbytes(count)


@pytest.mark.parametrize("content", [b"", b"hello", random_bytes(100_000)])
def test_what_is_written_is_read(root: str, content: bytes) -> None:
    path = f"{root}/a b/ü€ #?%+.bin"
    write_bytes(path, content)
    assert (exists(path), size(path)) == (True, len(content))
    with open_binary(path) as file:
        assert file.read() == content
    assert read_versioned(path).content == content
    write_bytes(path, pa.py_buffer(b"other"))
    assert read_versioned(path).content == b"other"


def test_what_is_not_there_is_missing_everywhere_alike(root: str, tmp_path: Path) -> None:
    path = f"{root}/none"
    assert (exists(path), size(path), match_files(path)) == (False, None, [])
    assert read_versioned(path) == Versioned(b"", ABSENT)
    with pytest.raises(FileNotFoundError):
        open_binary(path)
    with pytest.raises(FileNotFoundError):
        store_of(path).download(path, tmp_path / "copy", unheard)
    assert not (tmp_path / "copy").exists()
    delete_files([path])
    delete_folder(path)


def test_files_folders_and_globs_are_found(root: str) -> None:
    names = ("a.csv", "b.csv", "c.txt", "sub/d.csv", "sub/deep/e.csv")
    for name in (*names, ".hidden", "_temporary"):
        write_bytes(f"{root}/{name}", b"12345")

    def found(source: str) -> list[str]:
        return [file.path.removeprefix(f"{root}/") for file in match_files(source)]

    assert found(root) == list(names)
    assert found(f"{root}/") == list(names)
    assert found(f"{root}/a.csv") == ["a.csv"]
    assert found(f"{root}/*.csv") == ["a.csv", "b.csv"]
    assert found(f"{root}/[ab].*") == ["a.csv", "b.csv"]
    assert found(f"{root}/?.txt") == ["c.txt"]
    assert found(f"{root}/*/d.csv") == ["sub/d.csv"]
    assert found(f"{root}/**/e.csv") == ["sub/deep/e.csv"]
    assert found(f"{root}/su") == []
    assert match_files(f"{root}/a.csv") == [FoundFile(f"{root}/a.csv", 5)]


def test_more_files_than_one_page_of_a_listing_are_found(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gcs", "s3"):
        monkeypatch.setattr(f"towerflow.storage.{module}._PAGE", 4)
    for number in range(10):
        write_bytes(f"{root}/{number}", b"")
    assert [file.name for file in match_files(root)] == [f"{number}" for number in range(10)]
    delete_folder(root)
    assert match_files(root) == []


def test_a_folder_is_not_another_whose_name_begins_alike(root: str) -> None:
    for name in ("x/1", "xy/2"):
        write_bytes(f"{root}/{name}", b"")
    delete_folder(f"{root}/x")
    assert [file.name for file in match_files(root)] == ["2"]


def test_a_conditional_write_needs_the_generation_that_is_there(root: str) -> None:
    path = f"{root}/pointer"
    first = write_if(path, b"1", ABSENT)
    assert read_versioned(path) == Versioned(b"1", first)
    second = write_if(path, b"2", first)
    for stale in (first, ABSENT):
        with pytest.raises(Conflict):
            write_if(path, b"3", stale)
    assert read_versioned(path) == Versioned(b"2", second)
    delete_files([path])
    with pytest.raises(Conflict):
        write_if(path, b"3", second)
    write_if(path, b"4", ABSENT)
    assert [file.name for file in match_files(root)] == ["pointer"], "locks are not files"


@pytest.mark.parametrize("same", [True, False])
def test_of_many_conditional_writes_one_wins(root: str, same: bool) -> None:
    path = f"{root}/pointer"
    generation = write_if(path, b"first", ABSENT)

    def attempt(number: int) -> bool:
        try:
            write_if(path, b"same" if same else str(number).encode(), generation)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(attempt, range(16)))
    assert sum(won) == 1
    assert read_versioned(path).content == (b"same" if same else str(won.index(True)).encode())


def test_a_pointer_that_is_a_bomb_is_refused(root: str) -> None:
    write_bytes(f"{root}/x", b"12345")
    assert read_versioned(f"{root}/x", max_bytes=5).content == b"12345"
    with pytest.raises(InputError, match="at most 4 bytes"):
        read_versioned(f"{root}/x", max_bytes=4)


def test_a_large_object_goes_there_and_back(root: str, tmp_path: Path) -> None:
    source, copy, path = tmp_path / "source", tmp_path / "copy", f"{root}/large"
    source.write_bytes(random_bytes(LARGE))
    store_of(path).upload(source, path, unheard)
    store_of(path).download(path, copy, unheard)
    assert copy.read_bytes() == source.read_bytes()
    with open_binary(path) as file:
        assert file.read() == source.read_bytes()
    with open_binary(path) as file:
        assert b"".join(iter(lambda: file.read(999_983), b"")) == source.read_bytes()
    source.write_bytes(b"now small")
    store_of(path).upload(source, path, unheard)
    assert read_versioned(path).content == b"now small"


def test_a_stream_can_be_read_anywhere(root: str) -> None:
    content = random_bytes(2_000_000)
    write_bytes(f"{root}/x", content)
    choice = random.Random(0)
    with open_binary(f"{root}/x") as file:
        assert file.seekable()
        for _ in range(50):
            start, count = choice.randrange(len(content) + 10), choice.randrange(300_000)
            file.seek(start)
            assert file.read(count) == content[start : start + count]
        assert file.seek(-3, os.SEEK_END) == len(content) - 3
        assert file.read() == content[-3:]
    write_bytes(f"{root}/lines", b"1\n2\n3")
    with open_binary(f"{root}/lines") as file:
        assert list(file) == [b"1\n", b"2\n", b"3"]


def test_a_column_is_read_without_the_rest(root: str) -> None:
    table = pa.table({"key": list(range(1000)), "value": [os.urandom(1000) for _ in range(1000)]})
    write_parquet_anywhere(f"{root}/x.parquet", table)
    assert read_parquet(f"{root}/x.parquet", ["key"]).equals(table.select(["key"]))
    with open_binary(f"{root}/x.parquet") as file:
        source = pa.PythonFile(file, mode="r")
        assert pq.read_table(source, columns=["key"]).equals(table.select(["key"]))


def write_parquet_anywhere(path: str, table: pa.Table) -> None:
    """A local folder has to be there."""
    if not is_remote(path):
        Path(path).parent.mkdir(parents=True)
    write_parquet(path, table)


def test_what_is_replaced_while_it_is_read_is_never_mixed(root: str) -> None:
    path, content = f"{root}/x", random_bytes(2_000_000)
    write_bytes(path, content)
    with open_binary(path) as file:
        start = file.read(1000)
        write_bytes(path, bytes(2_000_000))
        if is_remote(root):
            with pytest.raises(StorageError, match="replaced while it was read"):
                file.read()
        else:
            assert start + file.read() == content
    with open_binary(path) as file:
        file.read(1000)
        delete_files([path])
        if is_remote(root):
            with pytest.raises(FileNotFoundError, match=path):
                file.read()
        else:
            assert file.read() == bytes(1_999_000)


def test_content_is_known_by_its_checksum(root: str) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        write_bytes(f"{root}/{name}", content)
    a, b, c = (checksum(file) for file in match_files(root))
    assert a == b != c
    assert content_version(f"{root}/a") == content_version(f"{root}/b")
    assert content_version(f"{root}/a") != content_version(f"{root}/c")


def test_folders_go_there_and_back_with_progress(root: str, tmp_path: Path) -> None:
    names = [f"{folder}/{number}" for folder in ("a", "b b") for number in range(10)]
    for name in names:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random_bytes(len(name) * 100))
    total = sum((tmp_path / "source" / name).stat().st_size for name in names)
    told: list[tuple[int, int]] = []
    upload_files(tmp_path / "source", names, root, lambda *progress: told.append(progress))
    assert told[-1] == (total, total)
    told.clear()
    download_files(root, names, tmp_path / "copy", lambda *progress: told.append(progress))
    assert told[-1] == (total, total)
    for name in names:
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "source" / name).read_bytes()


def test_a_repeated_upload_writes_only_what_differs(root: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"1")
    upload_files(tmp_path, ["a", "b"], root)
    written = mark(f"{root}/a"), mark(f"{root}/b")
    (tmp_path / "b").write_bytes(b"2")
    upload_files(tmp_path, ["a", "b"], root)
    assert mark(f"{root}/a") == written[0]
    assert mark(f"{root}/b") != written[1]


def mark(path: str) -> object:
    """Changes with every write, or with the content if the store tells no more."""
    return read_versioned(path).generation if is_remote(path) else os.stat(path).st_ino  # noqa: PTH116


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a//b", "./a", "a\\b", "a\0"])
def test_no_name_leads_out_of_a_folder(root: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="names of files inside it"):
        upload_files(tmp_path, [name], root)
    with pytest.raises(InputError, match="names of files inside it"):
        download_files(root, [name], tmp_path)


def artifact(path: Path) -> Path:
    """One with two files."""
    with new_artifact(path, ArtifactKind.INDEX, "test") as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "a").write_text("a")
        (draft.folder / "sub" / "b").write_text("b")
    return path


def test_an_artifact_is_uploaded_opened_and_taken_away_again(root: str, tmp_path: Path) -> None:
    folder = artifact(tmp_path / "artifact")
    for _ in range(2):
        upload_artifact(folder, f"{root}/x")
    assert read_manifest(f"{root}/x") == read_manifest(folder)
    with local_artifact(f"{root}/x", ArtifactKind.INDEX) as local:
        assert (local / "sub" / "b").read_text() == "b"
        assert read_manifest(local) == read_manifest(folder)
    assert local.exists() != is_remote(root)
    write_bytes(f"{root}/x/a", b"?")
    with local_artifact(f"{root}/x", ArtifactKind.INDEX, ["sub/b"]) as local:
        assert (local / "a").exists() != is_remote(root), "nobody asked for it"
    with pytest.raises(InputError, match="sha256"), local_artifact(f"{root}/x", ArtifactKind.INDEX):
        pass
    with pytest.raises(InputError, match="kind dataset"):
        local_artifact(f"{root}/x", ArtifactKind.DATASET).__enter__()
    with pytest.raises(InputError, match="a file 'none' in its manifest"):
        local_artifact(f"{root}/x", ArtifactKind.INDEX, ["none"]).__enter__()
    delete_files([f"{root}/x/a"])
    with pytest.raises(InputError, match="a file that the manifest lists"):
        local_artifact(f"{root}/x", ArtifactKind.INDEX).__enter__()


def test_a_folder_without_a_manifest_is_no_artifact(root: str) -> None:
    with pytest.raises(InputError, match=r"an artifact folder with a manifest\.json, found none"):
        read_manifest(f"{root}/none")


def test_a_bucket_that_is_not_there_is_named(root: str, tmp_path: Path) -> None:
    if not is_remote(root):
        pytest.skip("a local folder has no bucket")
    scheme = root.partition("://")[0]
    elsewhere = f"{scheme}://no-such-bucket/x"
    for attempt in (lambda: write_bytes(elsewhere, b""), lambda: match_files(f"{elsewhere}/*")):
        with pytest.raises(InputError, match="expected a bucket 'no-such-bucket', found none"):
            attempt()
    (tmp_path / "large").write_bytes(bytes(LARGE))
    with pytest.raises(InputError, match="expected a bucket 'no-such-bucket', found none"):
        store_of(elsewhere).upload(tmp_path / "large", elsewhere, unheard)
    with pytest.raises(InputError, match="a bucket after"):
        write_bytes(f"{scheme}:///x", b"")
    with pytest.raises(InputError, match="an object's name"):
        write_bytes(f"{scheme}://bucket", b"")
