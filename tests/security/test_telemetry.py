"""Nobody is told that a service uses a release, and no id of its machine is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["towerflow.retrieval.release", "towerflow.cli"])
def test_what_is_imported_leaves_nothing_in_the_users_cache(module: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    subprocess.run(
        [sys.executable, "-c", f"import {module}, onnxruntime"],
        env={**environment, "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.rglob("*")) == []
