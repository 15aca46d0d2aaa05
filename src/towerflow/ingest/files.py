"""Find the raw files of a source and check, before any work, that they can be what they say."""

import csv
import gzip
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.storage.files import files_under

PARQUET_MAGIC: Final = b"PAR1"
GZIP_MAGIC: Final = b"\x1f\x8b"
FORMATS: Final = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}
ENDINGS: Final = "a file ending in .parquet, .jsonl, .json, .csv or .tsv (the text ones also .gz)"
JSON_LINES_SAMPLED: Final = 100
MAX_CSV_FIELD: Final = 10_000_000  # characters; the csv module's own limit is 131,072


@dataclass(frozen=True)
class RawFile:
    """One file of a source."""

    path: str
    format: str

    @property
    def is_gzipped(self) -> bool:
        """Whether the file is compressed as a whole."""
        return self.path.endswith(".gz")

    @contextmanager
    def open_text(self) -> Iterator[IO[str]]:
        """Open for reading as UTF-8; bytes that are not become U+FFFD and stay visible."""
        opener = gzip.open if self.is_gzipped else open
        with opener(self.path, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
            yield text

    @contextmanager
    def open_csv(self) -> Iterator[Iterator[list[str]]]:
        """Open a .csv or .tsv; rows as lists, the header first."""
        csv.field_size_limit(MAX_CSV_FIELD)
        with self.open_text() as text:
            if self.format == "csv":
                yield csv.reader(text, strict=True)
            else:
                yield csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)


def find_files(source: str) -> list[RawFile]:
    """The files of `source`, a file or a folder, in order of their names.

    Raises:
        InputError: there is none, one has an unknown ending, or is not what its ending says.
    """
    path = Path(source)
    if path.is_dir():
        paths = files_under(path)
        if not paths:
            raise InputError(source, expected=ENDINGS, found="an empty folder")
    elif path.is_file():
        paths = [path]
    else:
        raise InputError(source, expected="a file or a folder", found="nothing there")
    return [_recognise(path) for path in paths]


def require_columns(file: RawFile, required: tuple[str, ...], any_of: tuple[str, ...]) -> None:
    """Check the header of `file`; JSON Lines have none, their rows are checked one by one.

    Raises:
        InputError: a column is missing, or the header can't be read.
    """
    columns = _header(file)
    found = f"columns {', '.join(columns)}" if columns else "no columns"
    for name in required:
        if name not in columns:
            raise InputError(file.path, field=name, expected="a column of that name", found=found)
    if any_of and not set(any_of) & set(columns):
        raise InputError(
            file.path, expected=f"at least one of the columns {', '.join(any_of)}", found=found
        )


def _recognise(path: Path) -> RawFile:
    name = path.name.removesuffix(".gz")
    format_ = FORMATS.get(Path(name).suffix.lower())
    if format_ is None or (format_ == "parquet" and path.name.endswith(".gz")):
        raise InputError(path, expected=ENDINGS, found=f"'{path.name}'")
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise InputError(path, expected="rows", found="an empty file")
    if (format_ == "parquet") != (start == PARQUET_MAGIC):
        raise InputError(
            path,
            expected=f"{format_} as its ending says",
            found=f"a file that starts with {start!r}",
        )
    if path.name.endswith(".gz") != (start[:2] == GZIP_MAGIC):
        raise InputError(
            path,
            expected="gzip as its ending says" if path.name.endswith(".gz") else "text",
            found=f"a file that starts with {start[:2]!r}",
        )
    return RawFile(str(path), format_)


def _header(file: RawFile) -> list[str]:
    try:
        if file.format == "parquet":
            return list(pq.read_schema(file.path).names)
        if file.format == "jsonl":
            return _first_keys(file)
        with file.open_csv() as rows:
            return [name.strip() for name in next(rows, [])]
    except (OSError, EOFError, pa.ArrowInvalid, csv.Error) as error:
        raise InputError(file.path, expected=f"readable {file.format}", found=str(error)) from error


def _first_keys(file: RawFile) -> list[str]:
    """Keys of the first objects of a JSON Lines file; later rows may lack some of them."""
    keys: dict[str, None] = {}
    first_line = ""
    with file.open_text() as lines:
        for line in itertools.islice(lines, JSON_LINES_SAMPLED):
            first_line = first_line or line.strip()
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                keys.update(dict.fromkeys(row))
    if not keys:
        raise InputError(file.path, expected="one JSON object a line", found=f"'{first_line[:60]}'")
    return list(keys)
