"""`preprocess` over a real object-store server: sources and workspace in a bucket."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.cloud import storage

from tests.conftest import PREPROCESS, SHOP
from tests.storage.conftest import BUCKET
from towerflow.errors import InputError
from towerflow.steps.preprocess import preprocess
from towerflow.storage.artifact import read_manifest
from towerflow.storage.filesystems import (
    content_version,
    delete_folder,
    match_files,
    open_binary,
    read_parquet,
    write_parquet,
)


def run(folder: Path, **changes: Any) -> str:
    """Content hash of the Dataset."""
    outputs = {name: folder / name for name in ("dataset", "rejected", "counts")}
    sources = {"items": f"{SHOP}/items.jsonl", "interactions": f"{SHOP}/interactions.csv"}
    preprocess(**{**PREPROCESS, **sources, **outputs, **changes})
    return read_manifest(folder / "dataset").content_hash


def test_sources_and_workspace_in_a_bucket_give_the_same_dataset(
    bucket: storage.Bucket, tmp_path: Path
) -> None:
    remote = run(
        tmp_path / "remote",
        items=f"gs://{BUCKET}/shop/items.jsonl",
        interactions=f"gs://{BUCKET}/shop/*.csv",
        beam_options=[f"temp_location=gs://{BUCKET}/scratch"],
        min_item_interactions=2,
    )
    assert remote == run(tmp_path / "local", min_item_interactions=2)
    assert match_files(f"gs://{BUCKET}/scratch") == [], "the workspace is left behind"


def test_nothing_under_a_bucket_is_told_by_its_name(bucket: storage.Bucket, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"gs://{BUCKET}/none: .* found nothing there"):
        run(tmp_path, items=f"gs://{BUCKET}/none")


def test_files_of_a_bucket_are_found_read_and_known_by_their_content(
    bucket: storage.Bucket,
) -> None:
    folder = f"gs://{BUCKET}/shop"
    assert [file.name for file in match_files(folder)] == ["interactions.csv", "items.jsonl"]
    with open_binary(f"{folder}/items.jsonl") as file:
        assert file.read() == (SHOP / "items.jsonl").read_bytes()
    before = content_version(folder)
    assert content_version(folder) == before
    bucket.blob("shop/items.jsonl").upload_from_string("{}")
    assert content_version(folder) != before


def test_a_table_is_written_to_a_bucket_and_read_again(bucket: storage.Bucket) -> None:
    path = f"gs://{BUCKET}/tables/x.parquet"

    table = pa.table({"a": [1, 2]})
    write_parquet(path, table)
    assert read_parquet(path).equals(table)
    delete_folder(f"gs://{BUCKET}/tables")
    assert match_files(f"gs://{BUCKET}/tables") == []


def test_an_object_that_is_not_there_is_missing_as_a_file_is(bucket: storage.Bucket) -> None:
    with pytest.raises(FileNotFoundError), open_binary(f"gs://{BUCKET}/shop/none.jsonl") as stream:
        stream.read()
