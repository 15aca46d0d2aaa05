"""Is this machine or pod fit for the steps? Each check does a little of what a step will do."""

import io
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108
UNLIMITED: Final = 2**60  # what the older kernel interface says in place of "max"
LITTLE_SPACE: Final = 1e9  # bytes


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    name: str
    is_well: bool
    detail: str


def examine(roots: list[str]) -> Iterator[Finding]:
    """All checks, one after the other.

    Args:
        roots: folders, `gs://` or `s3://`, that have to be writable.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", python),
        ("torch", torch_multiplies),
        ("transformers", lambda: _imported("transformers")),
        ("faiss", faiss_searches),
        ("onnxruntime", lambda: _imported("onnxruntime")),
        ("pyarrow", parquet_comes_back),
        ("apache-beam", beam_coders_load),
        ("kfp", lambda: version("kfp")),
        ("gpus", gpus),
        ("memory", memory),
        ("temporary files", temporary_files),
        ("user", user),
        *((root, lambda root=root: root_is_writable(root)) for root in roots),
    ]
    for name, check in checks:
        try:
            yield Finding(name, is_well=True, detail=check())
        except Exception as error:  # whatever a broken installation raises is what is looked for
            told = " ".join(str(error).split())
            yield Finding(name, is_well=False, detail=f"{type(error).__name__}: {told}")


def python() -> str:
    """Its version, and Towerflow's."""
    return f"{sys.version.split()[0]}, towerflow {version('towerflow')}"


def torch_multiplies() -> str:
    """A product of matrices, with as many threads as steps will have."""
    import torch

    ones = torch.ones(64, 64)
    if not torch.equal(ones @ ones, 64 * ones):
        raise RuntimeError("64 ones times 64 ones is not 64")
    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def faiss_searches() -> str:
    """The nearest of two vectors."""
    import faiss
    import numpy as np

    index = faiss.IndexFlatIP(2)
    index.add(np.eye(2, dtype=np.float32))
    _, nearest = index.search(np.array([[0, 1]], dtype=np.float32), 1)
    if nearest.item() != 1:
        raise RuntimeError("the nearest vector is not the equal one")
    return str(faiss.__version__)


def parquet_comes_back() -> str:
    """A table, written and read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"item_id": ["a", "b"]})
    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd")
    if pq.read_table(pa.py_buffer(written.getvalue())) != table:
        raise RuntimeError("a table is not what was written")
    return str(pa.__version__)


def beam_coders_load() -> str:
    """The compiled ones."""
    from apache_beam.coders import coder_impl  # noqa: F401

    return version("apache-beam")


def gpus() -> str:
    """Those that torch sees; a GPU that it does not see means a torch for CPUs."""
    import torch

    from towerflow.embedding.devices import unreachable_gpu

    if unreachable := unreachable_gpu():
        raise RuntimeError(unreachable)
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return ", ".join(names) or "none"


def memory() -> str:
    """What the container may take, and what of it processes may share."""
    limit = next((text for file in CGROUP_LIMITS if (text := _text_of(file))), "max")
    allowed = "no limit" if limit == "max" or int(limit) > UNLIMITED else _gigabytes(int(limit))
    if not SHARED_MEMORY.exists():
        return allowed
    return f"{allowed}, {SHARED_MEMORY} {_gigabytes(shutil.disk_usage(SHARED_MEMORY).total)}"


def temporary_files() -> str:
    """One can be written, and there is space for more."""
    with tempfile.TemporaryFile() as file:
        file.write(b"0" * 2**20)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < LITTLE_SPACE:
        raise RuntimeError(f"{tempfile.gettempdir()} has {_gigabytes(free)} left")
    return f"{tempfile.gettempdir()}, {_gigabytes(free)} free"


def user() -> str:
    """Who the steps run as."""
    return f"{os.getuid()}{' (root)' if os.getuid() == 0 else ''}"


def root_is_writable(root: str) -> str:
    """An object can be written there, read and deleted.

    Raises:
        NotADirectoryError: a local root is no folder yet; a step would make it, but a path that is
            mistyped or not mounted would be called well.
    """
    from towerflow.storage.filesystems import (
        absolute,
        delete_files,
        is_remote,
        read_versioned,
        write_bytes,
    )

    if not is_remote(root) and not (root and Path(root).is_dir()):
        raise NotADirectoryError("no folder of that name is there")
    path = f"{absolute(root)}/towerflow-doctor-{uuid.uuid4().hex}"
    write_bytes(path, b"well")
    try:
        if read_versioned(path).content != b"well":
            raise RuntimeError("what was read is not what was written")
    finally:
        delete_files([path])
    return "written, read and deleted"


def _imported(name: str) -> str:
    __import__(name)
    return version(name)


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
