"""Takes out of an environment what only building and testing need.

What it removes is never imported by Towerflow's steps; the tests of the containers hold that.
"""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDERS = (
    "torch/include",  # headers and CMake files, to build extensions
    "torch/share",
    "torch/test",  # programs that test torch
    "onnx/backend/test",
    "pyarrow/include",
    "pyarrow/tests",
    "numpy/**/tests",
    "networkx/**/tests",
    "sympy/**/tests",
    "apache_beam/examples",
    "transformers/models/**/__pycache__",  # a run imports a few of some hundred
)
FILES = (
    "torch/bin/[!t]*",  # protoc; torch_shm_manager stays
    "torch/bin/test*",
    "**/*.a",
    "**/*.c",
    "**/*.cpp",
    "**/*.h",
    "**/*.pxd",
    "**/*.pyx",
    "apache_beam/**/*_test.py",
)
STRIPPED = ("apache_beam", "fastavro", "pyarrow", "torch", "zstandard")  # symbols for debuggers
SERVICES = {"s3", "sso", "sso-oidc", "sts"}  # of AWS: its store, and who is allowed to read there


def unneeded(packages: Path) -> list[Path]:
    """Files and folders below `packages` that can go."""
    folders = [path for pattern in FOLDERS for path in packages.glob(pattern)]
    files = [path for pattern in FILES for path in packages.glob(pattern)]
    services = [path for path in packages.glob("botocore/data/*/") if path.name not in SERVICES]
    return [*folders, *files, *services]


def main(environment: Path) -> None:
    """Delete them, and say how much it was."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    before = size_of(packages)
    for path in unneeded(packages):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():  # not with its folder already
            path.unlink()
    for name in STRIPPED:
        libraries = [path for path in (packages / name).rglob("*.so*") if not path.is_symlink()]
        if libraries:
            subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)
    print(
        f"{(before - size_of(packages)) / 1e6:.0f} MB that only building and testing need are gone"
    )


def size_of(folder: Path) -> int:
    """Bytes of the files in `folder`."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
