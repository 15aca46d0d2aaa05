"""Secrets of a run's environment are in nothing that it leaves behind, and in nothing compiled."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHOP, SMALL_RECIPE
from tests.storage.conftest import s3_server  # noqa: F401 (a fixture)
from towerflow.local_run import compile_pipelines

SECRET = "do-not-tell-4f9a1c7e"  # noqa: S105 (nobody's)
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": f"AKIA{SECRET}",
    "AWS_SECRET_ACCESS_KEY": f"{SECRET}-aws",
    "AWS_SESSION_TOKEN": f"{SECRET}-session",
    "HF_TOKEN": f"{SECRET}-hub",
    "KF_PIPELINES_TOKEN": f"{SECRET}-kfp",
}
# What credentials look like, by their makers' own patterns.
PATTERNS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Google API key": re.compile(rb"AIza[0-9A-Za-z_-]{35}"),
    "a Google OAuth token": re.compile(rb"ya29\.[0-9A-Za-z_-]{20,}"),
    "a service account": re.compile(rb'"type": *"service_account"'),
    "an AWS key id": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(rb"\bgh[pousr]_[0-9A-Za-z]{36}\b"),
    "a hub token": re.compile(rb"\bhf_[0-9A-Za-z]{34}\b"),
    "a password in a URL": re.compile(rb"://[^/\s:@\"']+:[^/\s:@\"']+@"),
}


def found_in(content: bytes) -> list[str]:
    """What in `content` looks like a credential."""
    secrets = [name for name, value in ENVIRONMENT.items() if value.encode() in content]
    return secrets + [name for name, pattern in PATTERNS.items() if pattern.search(content)]


@pytest.fixture(scope="module")
def left_behind(
    tiny_encoder: Path,
    s3_server: str,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, bytes]:
    """All files of a run whose environment has secrets, and what it said; one run fails."""
    folder = tmp_path_factory.mktemp("secrets")
    recipe = folder / "small.yaml"
    recipe.write_text(SMALL_RECIPE, "utf-8")
    options = [f"--items={SHOP}/items.jsonl", f"--interactions={SHOP}/interactions.csv"]
    options += [f"--recipe={recipe}", f"--model={tiny_encoder}", "--embedding-store=store"]
    said = {}
    for name, more in (("run", []), ("failed", ["--previous-dataset=s3://nobody/none"])):
        done = subprocess.run(
            [sys.executable, "-m", "towerflow.cli", "run", *options, *more],
            cwd=folder,
            env={
                **os.environ,
                **ENVIRONMENT,
                "XDG_CACHE_HOME": str(folder / "cache"),
                "AWS_ENDPOINT_URL": s3_server,
                "AWS_DEFAULT_REGION": "us-east-1",
            },
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) == (name == "run"), done.stdout + done.stderr
        said[name] = done.stdout + done.stderr
    files = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {**said, **files}


def test_what_a_run_leaves_behind_has_no_secret_in_it(left_behind: dict[str, bytes]) -> None:
    names = {Path(name).name for name in left_behind}
    assert {"run.log", "retrain.yaml", "manifest.json", "current.json", "report.html"} <= names
    found = {name: found_in(content) for name, content in left_behind.items()}
    assert {name: what for name, what in found.items() if what} == {}


def test_compiled_pipelines_and_the_code_have_none(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    compiled = compile_pipelines(tmp_path)
    folders = ("src", "components", "pipelines", "containers", "docs", "benchmarks")
    found = [path for folder in folders for path in (root / folder).rglob("*")]
    sources = [path for path in found if path.is_file() and "__pycache__" not in path.parts]
    assert len(compiled) == 3
    for path in [*compiled, *sources]:
        assert found_in(path.read_bytes()) == [], path


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"type": "service_account"}),
        "-----BEGIN RSA PRIVATE KEY-----",
        "minio://me:secret@host/bucket",
        f"--token={SECRET}-hub",
        "AKIA" + "A1" * 8,
    ],
)
def test_a_secret_would_be_seen(content: str) -> None:
    assert found_in(content.encode())
