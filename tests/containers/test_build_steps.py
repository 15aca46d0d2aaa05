"""The small programs that the build runs."""

import subprocess
import sys
from pathlib import Path

import torch

CONTAINERS = Path(__file__).parents[2] / "containers"


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of them at the top of the repository."""
    return subprocess.run(
        [sys.executable, str(CONTAINERS / name), *arguments],
        cwd=CONTAINERS.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_requirements_are_those_of_the_base_and_of_the_extras() -> None:
    base = program("requirements.py").stdout.split()
    more = program("requirements.py", "pipeline", "s3").stdout.split()
    assert {"faiss-cpu", "pyarrow"} <= set(base)
    assert set(more) - set(base) >= {"torch", "kfp", "apache-beam", "s3fs"}
    assert "pytest" not in more


def test_slimming_leaves_what_is_imported(tmp_path: Path) -> None:
    packages = tmp_path / "lib/python3.11/site-packages"
    gone = ["torch/include/a/b.h", "torch/bin/protoc", "torch/bin/test_jit", "botocore/data/ec2/x"]
    gone += ["numpy/linalg/tests/test_x.py", "apache_beam/io/text_test.py", "faiss/x.pxd"]
    gone += ["transformers/models/bert/__pycache__/x.pyc"]
    stays = ["torch/__init__.py", "torch/bin/torch_shm_manager", "botocore/data/s3/x"]
    stays += ["botocore/data/endpoints.json", "numpy/linalg/x.py", "apache_beam/io/text.py"]
    stays += ["transformers/models/bert/x.py", "kfp/__pycache__/x.pyc"]
    for name in (*gone, *stays):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("x", "utf-8")
    done = program("slim.py", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [name for name in gone if (packages / name).exists()] == []
    assert [name for name in stays if not (packages / name).exists()] == []


def test_a_torch_for_other_machines_ends_the_build() -> None:
    found, other = ("cuda", "cpu") if torch.version.cuda else ("cpu", "cuda")
    assert program("check_torch.py", found).returncode == 0
    refused = program("check_torch.py", other)
    assert refused.returncode == 1
    assert torch.__version__ in refused.stderr
