"""Both pipelines with everything in a bucket: what comes out is what disks give."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage

from tests.conftest import SHOP, SMALL_RECIPE
from tests.storage.conftest import gcs_client
from towerflow.evaluation.metrics_file import EvaluationMetrics

BUCKET = "everything"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command line is called."""
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def bucket(gcs_server: str, tiny_encoder: Path) -> Iterator[storage.Bucket]:
    """A bucket with raw data and the LLM."""
    bucket = gcs_client(gcs_server).create_bucket(BUCKET)
    for source, prefix in ((SHOP, "raw"), (tiny_encoder, "llm")):
        for path in source.iterdir():
            bucket.blob(f"{prefix}/{path.name}").upload_from_filename(str(path))
    yield bucket
    bucket.delete(force=True)


def towerflow(folder: Path, url: str, *arguments: str) -> str:
    """What the command line says, called by somebody whose Google Cloud is at `url`."""
    recipe = folder / "small.yaml"
    recipe.write_text(SMALL_RECIPE, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "towerflow.cli", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COLUMNS": "200",
            "STORAGE_EMULATOR_HOST": url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def runs(folder: Path, bucket: storage.Bucket, gcs_server: str, tiny_encoder: Path) -> list[str]:
    """The same run from and to disks, and from and to a bucket."""
    local = [f"--items={SHOP}/items.jsonl", f"--interactions={SHOP}/interactions.csv"]
    local += [f"--model={tiny_encoder}", "--embedding-store=store", "--checkpoints=checkpoints"]
    local += ["--release-root=releases", "--output=local"]
    there = f"gs://{BUCKET}"
    remote = [f"--items={there}/raw/items.jsonl", f"--interactions={there}/raw/*.csv"]
    remote += [f"--model={there}/llm", f"--embedding-store={there}/store"]
    remote += [f"--checkpoints={there}/checkpoints", f"--release-root={there}/releases"]
    remote += ["--output=remote"]
    return [
        towerflow(folder, gcs_server, "run", "--recipe=small.yaml", *options)
        for options in (local, remote)
    ]


def release_of(read: Any) -> tuple[dict[str, Any], dict[str, Any], EvaluationMetrics]:
    """Pointer, manifest and metrics of what is current; `read` gives a file below the root."""
    pointer = json.loads(read("current.json"))
    own = f"releases/{pointer['release_id']}"
    manifest = json.loads(read(f"{own}/manifest.json"))
    return (
        pointer,
        manifest,
        EvaluationMetrics.model_validate_json(read(f"{own}/metrics.json")),
    )


def test_metrics_and_index_are_those_of_a_run_on_disks(
    runs: list[str], folder: Path, bucket: storage.Bucket
) -> None:
    local = release_of(lambda name: (folder / "releases" / name).read_bytes())
    remote = release_of(lambda name: bucket.blob(f"releases/{name}").download_as_bytes())
    assert remote[2] == local[2]
    assert remote[1]["files"] == local[1]["files"] | {
        name: entry
        for name, entry in remote[1]["files"].items()
        if name.startswith("model/config")  # it may name the encoder
    }
    assert remote[1]["counts"] == local[1]["counts"]
    assert all("recommended" in said for said in runs)


def test_items_are_refreshed_in_a_bucket_and_asked_for_from_there(
    runs: list[str], folder: Path, bucket: storage.Bucket, gcs_server: str
) -> None:
    there = f"gs://{BUCKET}"
    new = json.loads((SHOP / "items.jsonl").read_text("utf-8").splitlines()[0])
    more = {**new, "item_id": "ZZ1", "title": "Something new"}
    text = (SHOP / "items.jsonl").read_text("utf-8") + json.dumps(more) + "\n"
    bucket.blob("raw/items-today.jsonl").upload_from_string(text)
    options = [f"--items={there}/raw/items-today.jsonl", f"--interactions={there}/raw/*.csv"]
    options += [f"--model={there}/llm", f"--embedding-store={there}/store"]
    options += [f"--release-root={there}/releases", "--output=remote"]
    assert "51 items are live" in towerflow(folder, gcs_server, "refresh", *options)
    root = f"--release-root={there}/releases"
    said = towerflow(folder, gcs_server, "similar", "--item=Something new", root)
    assert said.startswith("similar to Something new (ZZ1)")
    listed = towerflow(folder, gcs_server, "releases", "list", root)
    assert listed.count("r-") == 2
    towerflow(folder, gcs_server, "releases", "rollback", root)
    assert "50 items" not in towerflow(folder, gcs_server, "releases", "show", root)
