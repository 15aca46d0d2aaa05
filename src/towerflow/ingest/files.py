"""Find the raw files of a source and check, before any work, that they can be what they say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.ingest.layout import Layout
from towerflow.storage.filesystems import FoundFile, match_files, name_matches, open_binary

PARQUET_MAGIC: Final = b"PAR1"
COMPRESSIONS: Final = {".gz": ("gzip", b"\x1f\x8b"), ".zst": ("zstd", b"\x28\xb5\x2f\xfd")}
UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
FORMATS: Final = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "delimited",
}
ENDINGS: Final = "a file ending in .parquet, .jsonl, .json, .csv or .tsv, perhaps with .gz or .zst"
ROW_GROUP_BYTES: Final = 32_000_000  # of Parquet that a worker reads at once


@dataclass(frozen=True)
class RawFile:
    """One file of a source, or some row groups of one.

    Attributes:
        path: where it lies.
        format: "parquet", "jsonl", "python", "csv" or "delimited".
        compression: "", "gzip" or "zstd", of the file as a whole.
        layout: what its ending does not tell.
        row_groups: first and past the last row group of a Parquet file.
        first_row: number of the first row that is read, counted from 1.
    """

    path: str
    format: str
    compression: str
    layout: Layout
    row_groups: tuple[int, int] = (0, 0)
    first_row: int = 1

    @contextmanager
    def open_parquet(self) -> Iterator[pq.ParquetFile]:
        """Open a Parquet file; one that is compressed as a whole has to be in memory for that."""
        with self.open() as stream:
            source = pa.BufferReader(stream.read()) if self.compression else stream
            yield pq.ParquetFile(source, page_checksum_verification=True)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open for reading, decompressed."""
        with open_binary(self.path) as file:
            if self.compression:
                raw = pa.PythonFile(file, mode="r")
                yield cast(IO[bytes], pa.CompressedInputStream(raw, self.compression))
            else:
                yield file


def find_files(source: str, layouts: Sequence[Layout]) -> list[RawFile]:
    """The files of `source`, a file, a folder or a glob, in order of their names.

    Raises:
        InputError: there is none, one has an unknown ending, or is not what its ending says.
    """
    found = match_files(source)
    if not found:
        raise InputError(source, expected="a file, a folder or a glob", found="nothing there")
    files = []
    for file in found:
        layout = next((one for one in layouts if name_matches(file.name, one.files)), None)
        if layout is None and len(found) == 1:  # named by the user: then the name is no matter
            layout = layouts[0]
        if layout is not None:
            files.append(_recognise(file, layout))
    if not files:
        wanted = ", ".join(name for layout in layouts for name in layout.files)
        raise InputError(source, expected=f"files called {wanted}", found=found[0].name)
    return files


def split_row_groups(files: Sequence[RawFile]) -> list[RawFile]:
    """Parquet files in pieces of whole row groups, so that several workers can read one file."""
    pieces: list[RawFile] = []
    for file in files:
        pieces.extend(_pieces(file) if file.format == "parquet" else [file])
    return pieces


def _pieces(file: RawFile) -> Iterator[RawFile]:
    with file.open_parquet() as parquet:
        metadata = parquet.metadata
    start, row, rows, size = 0, 1, 0, 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if size >= ROW_GROUP_BYTES or group == metadata.num_row_groups - 1:
            yield replace(file, row_groups=(start, group + 1), first_row=row)
            start, row, rows, size = group + 1, row + rows, 0, 0


def _recognise(file: FoundFile, layout: Layout) -> RawFile:
    ending = next((ending for ending in COMPRESSIONS if file.path.endswith(ending)), "")
    compression, magic = COMPRESSIONS.get(ending, ("", b""))
    stem = file.name.removesuffix(ending)
    format_ = layout.format or FORMATS.get(stem[stem.rfind(".") :].lower(), "")
    if not format_:
        raise InputError(file.path, expected=ENDINGS, found=f"'{file.name}'")
    with open_binary(file.path) as opened:
        start = opened.read(4)
    if not start:
        raise InputError(file.path, expected="rows", found="an empty file")
    if start.startswith(UTF_16_MARKS):
        raise InputError(file.path, expected="UTF-8 text", found="a file in UTF-16")
    if not compression and (format_ == "parquet") != (start == PARQUET_MAGIC):
        raise InputError(
            file.path,
            expected=f"{format_} as its ending says",
            found=f"a file that starts with {start!r}",
        )
    packed = any(start.startswith(mark) for _, mark in COMPRESSIONS.values())
    if packed != bool(compression) or not start.startswith(magic):
        raise InputError(
            file.path,
            expected=f"{compression} as its ending says" if compression else "text",
            found=f"a file that starts with {start!r}",
        )
    return RawFile(file.path, format_, compression, layout)
