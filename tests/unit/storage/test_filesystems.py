"""Files wherever they lie: the same answers from a local folder and from a bucket."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from towerflow.errors import InputError
from towerflow.storage.files import write_text
from towerflow.storage.filesystems import (
    absolute,
    content_version,
    is_remote,
    match_files,
    name_matches,
    open_binary,
    read_parquet,
    store_of,
    write_parquet,
)


def version(*paths: Path) -> str:
    """Of local paths."""
    return content_version(*map(str, paths))


def test_a_version_is_of_the_content_not_of_names_or_times(tmp_path: Path) -> None:
    for folder, order in (("one", "ab"), ("two", "ba")):
        for name, text in zip(order, ("x", "y"), strict=True):
            write_text(tmp_path / folder / name, text)
    os.utime(tmp_path / "one" / "a", (0, 0))
    assert version(tmp_path / "one") == version(tmp_path / "two")
    write_text(tmp_path / "two" / "a", "z")
    assert version(tmp_path / "one") != version(tmp_path / "two")


def test_what_moves_from_one_source_to_the_other_is_another_version(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_text(tmp_path / name, name)
    a, b, c = (tmp_path / name for name in "abc")
    (tmp_path / "ab").mkdir()
    (tmp_path / "bc").mkdir()
    for folder, members in (("ab", (a, b)), ("bc", (b, c))):
        for member in members:
            (tmp_path / folder / member.name).write_text(member.read_text())
    assert version(tmp_path / "ab", c) != version(a, tmp_path / "bc")


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    path = str(tmp_path / "x.parquet")
    write_parquet(path, table)
    assert read_parquet(path).equals(table)
    assert read_parquet(path, ["b"]).equals(table.select(["b"]))
    assert [file.name for file in match_files(str(tmp_path))] == ["x.parquet"]


def test_files_are_found_with_their_size(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"12345")
    [found] = match_files(str(tmp_path / "a.csv"))
    assert (found.name, found.bytes) == ("a.csv", 5)
    with open_binary(found.path) as file:
        assert file.read() == b"12345"
    assert match_files(str(tmp_path / "none*/x?.csv")) == []


def test_names_match_any_pattern_or_all_if_there_is_none() -> None:
    assert name_matches("meta_x.json", ["ratings_*", "meta_*"])
    assert not name_matches("x_meta.json", ["meta_*"])
    assert name_matches("anything", [])


@pytest.mark.parametrize(
    ("path", "remote"), [("gs://bucket/x", True), ("/data/x", False), ("x:y", False)]
)
def test_only_a_scheme_makes_a_path_remote(path: str, remote: bool) -> None:
    assert is_remote(path) is remote
    assert Path(absolute(path)).is_absolute() or remote


def test_a_scheme_that_nobody_knows_is_refused_with_those_that_are() -> None:
    for path in ("ftp://x/y", "file:///x"):
        with pytest.raises(InputError, match="a local path, gs://, s3:// or minio://"):
            match_files(path)


def test_without_s3fs_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules, "towerflow.storage.s3", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "no client of another test")
    with pytest.raises(InputError, match=r"pip install 'towerflow\[s3\]'"):
        store_of("s3://bucket/x")


def test_a_client_is_kept_until_the_environment_means_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    first = store_of("gs://bucket/x")
    assert store_of("gs://other/y") is first
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:2")
    assert store_of("gs://bucket/x") is not first


def test_minio_is_that_of_kfp_unless_an_endpoint_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from towerflow.storage.retrying import RetryPolicy
    from towerflow.storage.s3 import MINIO_OF_KFP, S3Requests

    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    assert S3Requests("minio", RetryPolicy())._files.endpoint_url == MINIO_OF_KFP
    assert S3Requests("s3", RetryPolicy())._files.endpoint_url is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert S3Requests("minio", RetryPolicy())._files.endpoint_url is None


def test_clients_are_not_imported_before_they_are_needed() -> None:
    slow = "{'torch', 'apache_beam', 'google', 's3fs', 'botocore', 'requests'}"
    script = f"import sys, towerflow.storage.filesystems; print({slow} & set(sys.modules))"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout == "set()\n"
